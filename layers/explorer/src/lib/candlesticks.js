/** Candlesticks: ranges and intervals of a chart, the requests for them, and their values in cents. */

import { hundredfold, isMissing, localPeriod, newYorkDay } from "./format.js";

/** @typedef {import("./api.js").ApiRequest} ApiRequest */
/** @typedef {{start: number, end: number}} TimeWindow Start and end, in Unix seconds. */
/** @typedef {{name: string, label: string, about: string, seconds: number}} Range */
/** @typedef {{minutes: number, label: string, about: string}} Interval */

/**
 * Candlestick. Prices are in cents of the YES side; null is a price that the exchange did not send.
 *
 * @typedef {object} Candle
 * @property {number} start Start of the period, in Unix seconds.
 * @property {number} end End of the period, in Unix seconds.
 * @property {number | null} open
 * @property {number | null} high
 * @property {number | null} low
 * @property {number | null} close
 * @property {number | null} bid Best bid at the end of the period.
 * @property {number | null} ask Best ask at the end of the period.
 * @property {number} volume Contracts.
 * @property {boolean} filled Whether nobody traded, and the price is the middle of bid and ask.
 */

const DAY = 1440;
const MAX_POINTS = 1_000;
/** Number of points that a chart shows well. */
export const TYPICAL_POINTS = 200;
const BATCH_TICKERS = 100;
const BATCH_PERIODS = 9_900;
const MAX_MARKET_CALLS = 2;

/** @type {readonly Range[]} */
export const RANGES = [
  { name: "1h", label: "1H", about: "1 hour", seconds: 3_600 },
  { name: "6h", label: "6H", about: "6 hours", seconds: 21_600 },
  { name: "1d", label: "1D", about: "1 day", seconds: 86_400 },
  { name: "1w", label: "1W", about: "1 week", seconds: 604_800 },
  { name: "1m", label: "1M", about: "1 month", seconds: 2_592_000 },
  { name: "all", label: "ALL", about: "All time", seconds: Number.POSITIVE_INFINITY },
];

/** @type {readonly Interval[]} */
export const INTERVALS = [
  { minutes: 1, label: "1m", about: "1 minute" },
  { minutes: 5, label: "5m", about: "5 minutes" },
  { minutes: 15, label: "15m", about: "15 minutes" },
  { minutes: 60, label: "1h", about: "1 hour" },
  { minutes: 240, label: "4h", about: "4 hours" },
  { minutes: DAY, label: "1d", about: "1 day" },
];

/**
 * Return the time during which a market was open, until now at the latest. Null: it has not opened yet.
 *
 * @param {{open_time: string | null, close_time: string | null}} market
 * @param {number} now Milliseconds.
 * @returns {TimeWindow | null}
 */
export function lifetime({ open_time, close_time }, now) {
  const end = minutes(Math.min(now, close_time ? Date.parse(close_time) : now));
  const start = minutes(open_time ? Date.parse(open_time) : now);
  return start < end ? { start, end } : null;
}

/**
 * Return the range that a page shows: the one of the URL, else a week of a market that trades, else its lifetime.
 *
 * @param {string | null} name
 * @param {TimeWindow} life
 * @param {boolean} closed
 */
export function chosenRange(name, life, closed) {
  const fallback = closed || life.end - life.start <= 604_800 ? "all" : "1w";
  const named = RANGES.find((range) => range.name === name);
  return named ?? /** @type {Range} */ (RANGES.find((range) => range.name === fallback));
}

/** Return the end of a lifetime, as long as a range. @param {Range} range @param {TimeWindow} life @returns {TimeWindow} */
export function rangeWindow(range, life) {
  return { start: Math.max(life.start, life.end - range.seconds), end: life.end };
}

/**
 * Return the intervals that a market's chart may have: at most about 1,000 candles, and few calls to the exchange.
 *
 * @param {TimeWindow} span
 */
export function permittedIntervals(span) {
  const permitted = INTERVALS.filter(
    ({ minutes }) =>
      points(span, minutes) <= MAX_POINTS &&
      exchangeCalls(1, span, minutes) <= MAX_MARKET_CALLS &&
      points(span, minutes) >= 2,
  );
  return permitted.length ? permitted : [points(span, DAY) < 2 ? INTERVALS[0] : INTERVALS[INTERVALS.length - 1]];
}

/**
 * Return the interval that a market's chart shows: the one of the URL, if the chart may have it, else a typical one.
 *
 * @param {string | null} name Minutes.
 * @param {TimeWindow} span
 */
export function chosenInterval(name, span) {
  const permitted = permittedIntervals(span);
  const typical = permitted.find(({ minutes }) => points(span, minutes) <= TYPICAL_POINTS);
  return permitted.find(({ minutes }) => String(minutes) === name) ?? typical ?? permitted[permitted.length - 1];
}

/**
 * Return the number of calls to the exchange: each has at most 100 tickers and 10,000 candles of a minute, an hour or
 * a day, from which candles of other intervals are merged.
 *
 * @param {number} tickers
 * @param {TimeWindow} span
 * @param {number} interval Minutes.
 */
export function exchangeCalls(tickers, span, interval) {
  const base = interval % DAY === 0 ? DAY : interval % 60 === 0 ? 60 : 1;
  const periods = Math.max(1, points(span, base));
  const perCall = Math.min(BATCH_TICKERS, Math.floor(BATCH_PERIODS / periods));
  return perCall >= 1 ? Math.ceil(tickers / perCall) : tickers * Math.ceil(periods / BATCH_PERIODS);
}

/**
 * Return the request for the candlesticks of one market.
 *
 * @param {string} ticker
 * @param {TimeWindow} span
 * @param {number} interval Minutes.
 * @returns {ApiRequest}
 */
export function marketRequest(ticker, span, interval) {
  return { path: `/markets/${encodeURIComponent(ticker)}/candlesticks`, parameters: candleParameters(span, interval) };
}

/** Return the candle of the API's object. @param {any} item @param {number} interval Minutes. @returns {Candle} */
export function toCandle(item, interval) {
  const end = item.end_period_ts;
  return {
    start: end - interval * 60,
    end,
    open: cents(item.price?.open_dollars),
    high: cents(item.price?.high_dollars),
    low: cents(item.price?.low_dollars),
    close: cents(item.price?.close_dollars),
    bid: cents(item.yes_bid?.close_dollars),
    ask: cents(item.yes_ask?.close_dollars),
    volume: Number(item.volume_fp ?? 0),
    filled: item.filled === true,
  };
}

/** Return the period of a candle as text; days are those of New York. @param {{start: number, end: number}} candle */
export function periodText({ start, end }) {
  return isDay(start, end) ? `${newYorkDay((start + end) / 2)} (New York day)` : localPeriod(start, end);
}

/**
 * Return the start of each period as the wall clock of its zone, in seconds as if that clock were UTC, always rising:
 * the chart library knows no zones.
 *
 * @param {{start: number, end: number}[]} periods
 */
export function axisTimes(periods) {
  let last = Number.NEGATIVE_INFINITY;
  return periods.map(({ start, end }) => {
    last = Math.max(last + 1, isDay(start, end) ? utcMidnight((start + end) / 2) : wallClock(start));
    return last;
  });
}

/** @param {number} start @param {number} end */
function isDay(start, end) {
  return end - start === DAY * 60;
}

/** @param {number} time */
function wallClock(time) {
  return time - new Date(time * 1000).getTimezoneOffset() * 60;
}

/** Return midnight UTC of the date that New York has at a time. @param {number} time */
function utcMidnight(time) {
  const date = new Date(time * 1000).toLocaleDateString("sv-SE", { timeZone: "America/New_York" });
  return Date.parse(date) / 1000;
}

/** Return parameters that include the period in which the window ends. @param {TimeWindow} span @param {number} interval */
export function candleParameters({ start, end }, interval) {
  return { start_ts: start, end_ts: end + (interval - 1) * 60, period_interval: interval, fill: "mid" };
}

/** Return the number of periods of a window. @param {TimeWindow} span @param {number} interval Minutes. */
export function points({ start, end }, interval) {
  return (end - start) / (interval * 60);
}

/** @param {string | undefined} dollars */
function cents(dollars) {
  return isMissing(dollars) ? null : hundredfold(dollars);
}

/** Return Unix seconds of the last full minute. @param {number} milliseconds */
function minutes(milliseconds) {
  return Math.floor(milliseconds / 60_000) * 60;
}
