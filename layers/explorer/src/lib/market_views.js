/** Views of a market that several pages share. */

import { isMissing, localTime, newYorkTime, price, priceChange, probability, relativeTime } from "./format.js";
import { html, nothing } from "./html.js";

/** Columns of a market that the views below read. */
export const MARKET_FIELDS =
  "ticker,event_ticker,series_ticker,title,subtitle,event_title,status,result,yes_bid_dollars,yes_ask_dollars," +
  "last_price_dollars,price_change_24h_dollars,volume,volume_24h,open_interest,close_time,settlement_value";

/** Statuses of markets that are not settled: the API's orders by 24 hours require a filter by some of them. */
export const UNSETTLED = "initialized,inactive,active,closed,determined,disputed,amended";

const STATUS_LABELS = /** @type {Record<string, string>} */ ({
  initialized: "not yet open",
  inactive: "paused",
  active: "open",
  closed: "closed",
  determined: "determined",
  disputed: "disputed",
  amended: "amended",
  finalized: "settled",
});

/** Return the path of a market's page. @param {string} ticker */
export function marketPath(ticker) {
  return `/explore/markets/${encodeURIComponent(ticker)}`;
}

/** Return the path of an event's page. @param {string} ticker */
export function eventPath(ticker) {
  return `/explore/events/${encodeURIComponent(ticker)}`;
}

/** Return the path of a series' page. @param {string} ticker */
export function seriesPath(ticker) {
  return `/explore/series/${encodeURIComponent(ticker)}`;
}

/** Return the word for a status. @param {string | null} status */
export function statusLabel(status) {
  return status === null ? "unknown" : (STATUS_LABELS[status] ?? status);
}

/** Return a badge with a market's status, and its result if it has one. @param {any} market */
export function statusBadge({ status, result }) {
  const outcome = result ? ` · ${result.toUpperCase()}` : "";
  return html`<span class="badge" data-status=${status ?? ""}>${statusLabel(status)}${outcome}</span>`;
}

/**
 * Return the price that says how likely a market's outcome is: the settlement value; else the last price, where it is
 * between bid and ask or the book is empty; else the middle of bid and ask. Null: there is none of them.
 *
 * @param {any} market
 * @returns {number | null} Dollars.
 */
export function impliedPrice(market) {
  if (!isMissing(market.settlement_value)) {
    return Number(market.settlement_value);
  }
  const last = Number(market.last_price_dollars ?? 0);
  return (hasQuotes(market) && !isLastPriceCurrent(market) ? middle(market) : last) || null;
}

/**
 * Return whether the last price says what the market is worth now: it is between bid and ask, or there are none.
 *
 * @param {any} market
 */
export function isLastPriceCurrent(market) {
  const { last_price_dollars: last, yes_bid_dollars: bid, yes_ask_dollars: ask } = market;
  return Boolean(last) && (!hasQuotes(market) || (Number(bid) <= Number(last) && Number(last) <= Number(ask)));
}

/** Return whether somebody bids or asks. In an empty book the bid is 0 and the ask is 1. @param {any} market */
export function hasQuotes({ yes_bid_dollars: bid, yes_ask_dollars: ask }) {
  return !isMissing(bid) && !isMissing(ask) && !(Number(bid) === 0 && Number(ask) === 1);
}

/** @param {any} market */
function middle({ yes_bid_dollars: bid, yes_ask_dollars: ask }) {
  return Math.round((Number(bid) + Number(ask)) * 5e5) / 1e6;
}

/** Return a probability with a bar. @param {any} market */
export function probabilityView(market) {
  const dollars = impliedPrice(market);
  return html`<span class="probability"
    ><meter min="0" max="1" .value=${dollars ?? 0} aria-hidden="true"></meter><span>${probability(dollars)}</span></span
  >`;
}

/** Return bid and ask, such as 41¢ / 43¢. @param {any} market */
export function quoteView(market) {
  return hasQuotes(market)
    ? html`<span class="quote">${price(market.yes_bid_dollars)} / ${price(market.yes_ask_dollars)}</span>`
    : html`<span class="muted">no quotes</span>`;
}

/** Return a change of the price within 24 hours, colored. @param {any} market */
export function changeView({ price_change_24h_dollars: change }) {
  const direction = change > 0 ? "up" : change < 0 ? "down" : "";
  return html`<span class="change ${direction}">${priceChange(change)}</span>`;
}

/**
 * Return a time relative to now; its title has it in the viewer's zone and in New York's.
 *
 * @param {string | null} time ISO 8601.
 */
export function timeView(time) {
  return time
    ? html`<time datetime=${time} title="${localTime(time)} · New York: ${newYorkTime(time)}">${relativeTime(time)}</time>`
    : "–";
}

/**
 * Return the exchange's text without its marks of emphasis, such as "Will the **high temp in NYC** be …".
 *
 * @param {string | null | undefined} text
 */
export function plainText(text) {
  return text?.replaceAll(/\*\*(.+?)\*\*/g, "$1") ?? "";
}

/**
 * Return the question of a market with its outcome, as a link to its page.
 *
 * @param {any} market
 */
export function marketLink(market) {
  const { subtitle, title } = market;
  const outcome =
    subtitle && !title?.includes(subtitle) ? html`<span class="outcome">${plainText(subtitle)}</span>` : nothing;
  return html`<a class="market-link" href=${marketPath(market.ticker)}
    ><bdi class="title">${plainText(title) || market.ticker}</bdi> <bdi>${outcome}</bdi></a
  >`;
}
