/** Requests of the page of all series. */

import { ApiFailure, send, withParameters } from "../../lib/api.js";

/** @typedef {import("../../lib/listing.js").Rows<any, any>} SeriesRows */

/** Orders of the series. The first is the default; a search has the others only. */
export const ORDERS = /** @type {const} */ ([
  { name: "markets", label: "Most markets" },
  { name: "edited", label: "Last edited" },
  { name: "ticker", label: "Ticker" },
]);

const PAGE_SIZE = 50;
const MAX_ROWS = 1_000;
/** Number of tickers that fit into a URL. */
const MAX_TICKERS = 200;
const FIELDS = "default,market_counts";

/** Return the name of the order that a state asks for. @param {URLSearchParams} state */
export function orderOf(state) {
  const order = ORDERS.find(({ name }) => name === state.get("order"))?.name ?? "markets";
  return order === "markets" && state.get("search") ? "edited" : order;
}

/**
 * Return the request of the listing of series.
 *
 * @param {URLSearchParams} state
 * @param {string[]} [tickers] Only these series, in no order.
 */
export function seriesRequest(state, tickers) {
  if (tickers) {
    return {
      path: "/series",
      parameters: { series_ticker__in: tickers.join(","), fields: FIELDS, limit: tickers.length },
    };
  }
  const column = state.get("in") === "ticker" ? "series_ticker" : "title";
  const byTicker = orderOf(state) === "ticker";
  return {
    path: "/series",
    parameters: {
      [`${column}__icontains`]: state.get("search") || null,
      category: state.get("category"),
      order_by: byTicker ? "series_ticker" : "last_updated_ts",
      order_direction: byTicker ? "asc" : "desc",
      fields: FIELDS,
      count_total: "exact",
      limit: pageSize(state),
    },
  };
}

/**
 * Return the request of the series with the most markets.
 *
 * @param {URLSearchParams} state
 * @param {number} limit Number of series.
 */
export function facetRequest(state, limit) {
  const parameters = { facet: "series_ticker", category: state.get("category"), limit };
  return { path: "/markets/facets", parameters };
}

/**
 * Load a page of series in the order of the state.
 *
 * @param {URLSearchParams} state
 * @param {string | number | null} next Cursor, or the number of series that were ranked in the order by markets.
 * @param {any[]} loaded Series of the pages before.
 * @param {AbortSignal} [signal]
 * @returns {Promise<SeriesRows>}
 */
export async function loadPage(state, next, loaded, signal) {
  if (orderOf(state) === "markets") {
    return loadLargest(state, Number(next ?? 0), loaded, signal);
  }
  const request = seriesRequest(state);
  const { data } = await send(
    next === null ? request : withParameters(request, { cursor: next, limit: PAGE_SIZE }),
    signal,
  );
  return { items: data.items, next: data.next_cursor, total: data.total };
}

/**
 * Load the details of the next largest series. The ranking may have changed since the pages before: their series are left
 * out, wherever they are now. Throw an ApiFailure if the API could not count the markets in time.
 *
 * @param {URLSearchParams} state
 * @param {number} count Number of series that were ranked for the pages before.
 * @param {any[]} loaded Series of the pages before.
 * @param {AbortSignal} [signal]
 * @returns {Promise<SeriesRows>}
 */
async function loadLargest(state, count, loaded, signal) {
  const limit = count ? Math.min(count + PAGE_SIZE, MAX_ROWS) : pageSize(state);
  const { values, truncated } = (await send(facetRequest(state, limit), signal)).data.facets.series_ticker;
  if (values === null) {
    const hint = "Retry, or order them by ticker.";
    throw new ApiFailure(200, "query_timeout", "The markets of the series could not be counted in time.", hint, "");
  }
  const known = new Set([null, ...loaded.map((row) => row.series_ticker)]);
  const ranked = values.filter((/** @type {any} */ each) => !known.has(each.value));
  const next = truncated && limit < MAX_ROWS ? limit : null;
  const tickers = ranked.map((/** @type {any} */ each) => each.value);
  const parts = Array.from({ length: Math.ceil(tickers.length / MAX_TICKERS) }, (_, part) =>
    tickers.slice(part * MAX_TICKERS, (part + 1) * MAX_TICKERS),
  );
  const pages = await Promise.all(parts.map((part) => send(seriesRequest(state, part), signal)));
  const rows = new Map(
    pages.flatMap(({ data }) => data.items.map((/** @type {any} */ row) => [row.series_ticker, row])),
  );
  const items = ranked.map((/** @type {any} */ { value, count }) => ({
    series_ticker: value,
    ...rows.get(value),
    ranked_markets: count,
  }));
  return { items, next };
}

/** @param {URLSearchParams} state */
function pageSize(state) {
  const limit = Number.parseInt(state.get("limit") ?? "", 10);
  return limit >= 1 ? Math.min(limit, MAX_ROWS) : PAGE_SIZE;
}
