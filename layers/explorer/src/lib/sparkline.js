/** Sparklines: the price of the last seven days, as small lines in a table. */

import { send } from "./api.js";
import { isMissing, price } from "./format.js";
import { html, svg } from "./html.js";

/** Number of markets with a sparkline: with 168 hours each they fit into one call to the exchange. */
export const MAX_SPARKLINES = 50;
const DAYS = 7;
const PERIOD_MINUTES = 360;
const WIDTH = 72;
const HEIGHT = 22;
/** Smallest range of prices, in dollars, that fills the height: smaller moves look smaller. */
const MIN_RANGE = 0.1;

/**
 * Return the closing prices of markets, oldest first, in one request. A market without candlesticks has none.
 *
 * @param {string[]} tickers At most MAX_SPARKLINES.
 * @returns {Promise<Map<string, number[]>>}
 */
export async function fetchPrices(tickers) {
  const now = Math.floor(Date.now() / 60_000) * 60;
  const body = {
    tickers,
    start_ts: now - DAYS * 86_400,
    end_ts: now,
    period_interval: PERIOD_MINUTES,
    fill: "previous",
  };
  const { data } = await send({ path: "/markets/candlesticks", body });
  return new Map(
    data.results.map((/** @type {any} */ { ticker, candlesticks }) => [ticker, closingPrices(candlesticks)]),
  );
}

/**
 * Return the line of a market's prices; its title has the first and the last price.
 *
 * @param {number[] | undefined} prices Dollars, oldest first.
 */
export function sparkline(prices) {
  if (!prices || prices.length < 2) {
    return html`<span class="sparkline"></span>`;
  }
  const [first, last] = [prices[0], prices[prices.length - 1]];
  const direction = last > first ? "up" : last < first ? "down" : "flat";
  return html`<svg class="sparkline ${direction}" role="img" viewBox="0 0 ${WIDTH} ${HEIGHT}">
    ${svg`<title>${DAYS} days: ${price(first)} to ${price(last)}</title><path d=${linePath(prices)} />`}
  </svg>`;
}

/** @param {any[]} candlesticks @returns {number[]} */
function closingPrices(candlesticks) {
  return candlesticks
    .map(({ price }) => price?.close_dollars)
    .filter((close) => !isMissing(close))
    .map(Number);
}

/** @param {number[]} prices */
function linePath(prices) {
  const [low, high] = [Math.min(...prices), Math.max(...prices)];
  const range = Math.max(high - low, MIN_RANGE);
  const bottom = (low + high - range) / 2;
  const points = prices.map((dollars, index) => {
    const x = 1 + (index / (prices.length - 1)) * (WIDTH - 2);
    const y = HEIGHT - 2 - ((dollars - bottom) / range) * (HEIGHT - 4);
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  return `M${points.join("L")}`;
}
