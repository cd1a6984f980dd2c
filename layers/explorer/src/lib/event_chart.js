/** Candlesticks of an event's outcomes: the request within four calls to the exchange, and the lines of the chart. */

import { ApiFailure, send } from "./api.js";
import {
  candleParameters,
  chosenRange,
  exchangeCalls,
  INTERVALS,
  lifetime,
  points,
  rangeWindow,
  TYPICAL_POINTS,
  toCandle,
} from "./candlesticks.js";
import { lineData } from "./line_chart.js";
import { outcomeName } from "./outcome_link.js";
import { inOrder } from "./outcomes.js";
import { csvText } from "./request_panel.js";

/** @typedef {import("./candlesticks.js").Range} Range */
/** @typedef {import("./candlesticks.js").Interval} Interval */
/** @typedef {import("./api.js").ApiRequest} ApiRequest */

/**
 * Choice of what the chart shows.
 *
 * @typedef {object} Choice
 * @property {string} key Identity of the choice: the same one has another request in each minute.
 * @property {any[]} markets The outcomes, the most important first.
 * @property {number} left Number of opened outcomes that are not shown.
 * @property {Range} range
 * @property {Interval} interval
 * @property {ApiRequest} request
 */

/** @typedef {{choice: Choice, results: any[], unanswered: string[]}} Candlesticks Response of the batch request. */

const MAX_EVENT_CALLS = 4;
const MAX_EVENT_CANDLES = 15_000;
const MAX_LINES = 200;
const MAX_ARCHIVE_CALLS = 4;
const ARCHIVE_AGE_MS = 50 * 86_400_000;

/**
 * Return what the chart shows, or null if no outcome has opened. The exchange's archive has one call for each outcome, so
 * an old event shows four of them until the URL has `outcomes=all`.
 *
 * @param {any[]} markets
 * @param {boolean} exclusive Whether at most one outcome can be right.
 * @param {URLSearchParams} state
 * @returns {Choice | null}
 */
export function chosenLines(markets, exclusive, state) {
  const now = Date.now();
  const lives = new Map(markets.map((market) => [market, lifetime(market, now)]));
  const opened = markets.filter((market) => lives.get(market));
  if (!opened.length) {
    return null;
  }
  const bounds = opened.map((market) => /** @type {import("./candlesticks.js").TimeWindow} */ (lives.get(market)));
  const life = { start: Math.min(...bounds.map(({ start }) => start)), end: Math.max(...bounds.map(({ end }) => end)) };
  const closed = life.end * 1000 < now - 60_000;
  const ranked = byImportance(opened, exclusive);
  const archived = ranked.filter(({ settlement_ts: time }) => time && now - Date.parse(time) > ARCHIVE_AGE_MS).length;
  const all = archived <= MAX_ARCHIVE_CALLS || state.get("outcomes") === "all";
  const shown = ranked.slice(0, all ? MAX_LINES : MAX_ARCHIVE_CALLS);
  const range = chosenRange(state.get("range"), life, closed);
  const span = rangeWindow(range, life);
  const interval = eventInterval(shown.length, span);
  const tickers = shown.map(({ ticker }) => ticker).sort();
  const request = batchRequest(tickers, span, interval.minutes);
  const key = `${range.name}/${interval.minutes}/${tickers}`;
  return { key, markets: shown, left: ranked.length - shown.length, range, interval, request };
}

/**
 * Return the candlesticks of a choice. Throw an ApiFailure if the exchange has sent none of them.
 *
 * @param {Choice} choice
 * @param {AbortSignal} signal
 * @returns {Promise<Candlesticks>}
 */
export async function loadLines(choice, signal) {
  const { results, unanswered } = (await send(choice.request, signal)).data;
  const failed = results.filter((/** @type {any} */ { code }) => code !== null);
  if (failed.length === results.length && unanswered.length) {
    throw new ApiFailure(503, "exchange_unavailable", failed[0].error, "Retry in a minute.", "");
  }
  return { choice, results, unanswered };
}

/** Return the data of the chart, or null if no period has a price. @param {Candlesticks} candlesticks */
export function toLineData({ choice, results }) {
  const minutes = choice.interval.minutes;
  const closes = new Map(
    results.map(({ ticker, candlesticks }) => {
      const items = candlesticks.map((/** @type {any} */ item) => toCandle(item, minutes));
      const priced = items.filter((/** @type {any} */ { close }) => close !== null);
      return [ticker, new Map(priced.map((/** @type {any} */ { end, close }) => [end, close]))];
    }),
  );
  const ends = [...new Set([...closes.values()].flatMap((values) => [...values.keys()]))].sort((a, b) => a - b);
  if (!ends.length) {
    return null;
  }
  const lines = choice.markets.map((market) => ({
    id: market.ticker,
    name: outcomeName(market),
    values: ends.map((end) => closes.get(market.ticker)?.get(end) ?? null),
  }));
  const periods = ends.map((end) => ({ start: end - minutes * 60, end }));
  return lineData(`${choice.range.name}/${choice.markets.length}`, periods, lines);
}

/** Return the candlesticks as CSV. @param {Candlesticks} candlesticks */
export function linesCsv({ results }) {
  const names = ["ticker", "end_period_ts", "price_close_dollars", "yes_bid_close_dollars", "yes_ask_close_dollars"];
  const rows = results.flatMap(({ ticker, candlesticks }) =>
    candlesticks.map((/** @type {any} */ { end_period_ts, price, yes_bid, yes_ask, volume_fp, filled }) => [
      ticker,
      end_period_ts,
      number(price?.close_dollars),
      number(yes_bid?.close_dollars),
      number(yes_ask?.close_dollars),
      number(volume_fp),
      filled === true ? true : null,
    ]),
  );
  return csvText([...names, "volume", "filled"], rows);
}

/** @param {string | undefined} text */
function number(text) {
  return text === undefined ? null : Number(text);
}

/**
 * Return markets in the order of their probabilities if one of them excludes the others, and of their volumes.
 *
 * @param {any[]} markets
 * @param {boolean} exclusive
 */
function byImportance(markets, exclusive) {
  const byVolume = inOrder(markets, "volume");
  return exclusive ? inOrder(byVolume, "probability") : byVolume;
}

/**
 * Return the interval of an event's chart: the shortest that takes at most four calls to the exchange.
 *
 * @param {number} tickers
 * @param {import("./candlesticks.js").TimeWindow} span
 */
function eventInterval(tickers, span) {
  const fits = INTERVALS.find(
    ({ minutes }) =>
      points(span, minutes) <= TYPICAL_POINTS &&
      points(span, minutes) * tickers <= MAX_EVENT_CANDLES &&
      exchangeCalls(tickers, span, minutes) <= MAX_EVENT_CALLS,
  );
  return fits ?? INTERVALS[INTERVALS.length - 1];
}

/**
 * Return the request for the candlesticks of several markets.
 *
 * @param {string[]} tickers
 * @param {import("./candlesticks.js").TimeWindow} span
 * @param {number} interval Minutes.
 * @returns {ApiRequest}
 */
function batchRequest(tickers, span, interval) {
  return { path: "/markets/candlesticks", body: { tickers, ...candleParameters(span, interval) } };
}
