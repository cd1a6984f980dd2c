/** Columns of a table of markets, with links that sort it. */

import { compactQuantity, isMissing, price, quantity } from "./format.js";
import { html, nothing } from "./html.js";
import { DAY_ORDERS, permitsDayOrders, queryUrl } from "./market_query.js";
import {
  changeView,
  MARKET_FIELDS,
  marketLink,
  probabilityView,
  quoteView,
  statusBadge,
  timeView,
} from "./market_views.js";
import { sparkline } from "./sparkline.js";

/** Orders of GET /markets, with their names. */
export const ORDERS = /** @type {Record<string, string>} */ ({
  volume_24h: "Volume 24 h",
  volume: "Volume",
  price_change_24h_dollars: "Change 24 h",
  close_time: "Closes",
  open_time: "Opens",
  open_interest: "Open interest",
  liquidity: "Liquidity",
  settlement_value: "Settlement value",
  ticker: "Ticker",
  recent: "Recent",
});

/** Columns that every table needs, for the name and the state of a market. */
const NAME_FIELDS = ["ticker", "title", "subtitle"];
const DAY_HINT = "Sorts open markets: others have no value of 24 hours. The link adds the filter status=active.";

/** Number of characters of a text that needs lines. */
const LONG_TEXT = 40;

/** @typedef {import("./data_table.js").SortLink} SortLink */
/** @typedef {import("./data_table.js").Column<any>} MarketColumn */

/** Return the fields that the table of a query needs. @param {URLSearchParams} query */
export function neededFields(query) {
  const chosen = query.get("fields");
  return chosen ? [...NAME_FIELDS, chosen].join(",") : `${MARKET_FIELDS},removed_at`;
}

/**
 * Return the columns of a query's table.
 *
 * @param {URLSearchParams} query
 * @param {any[]} rows Rows of the response: with chosen fields their members are the columns.
 * @param {Map<string, number[]>} prices Prices of the sparklines, by ticker.
 * @returns {MarketColumn[]}
 */
export function marketColumns(query, rows, prices) {
  const market = { name: "Market", wide: true, cell: marketLink, ...sorting(query, "ticker") };
  if (query.has("fields")) {
    const names = Object.keys(rows[0] ?? {}).filter((name) => !NAME_FIELDS.includes(name));
    const chosen = query.get("fields")?.split(",") ?? [];
    const named = NAME_FIELDS.filter((name) => chosen.includes(name));
    return [market, ...[...named, ...names].map((name) => fieldColumn(query, name, rows))];
  }
  return [
    market,
    { name: "Probability", cell: probabilityView },
    { name: "24 h", numeric: true, cell: changeView, ...sorting(query, "price_change_24h_dollars") },
    { name: "7 days", cell: ({ ticker }) => sparkline(prices.get(ticker)), hint: "Price of the last seven days" },
    { name: "Bid / ask", numeric: true, cell: quoteView },
    quantityColumn(query, "volume_24h", "Vol. 24 h"),
    quantityColumn(query, "volume", "Volume"),
    quantityColumn(query, "open_interest", "Interest"),
    { name: "Closes", cell: ({ close_time }) => timeView(close_time), ...sorting(query, "close_time") },
    { name: "Status", cell: statusView },
  ];
}

/** Return the order of a query and its direction. @param {URLSearchParams} query */
export function orderOf(query) {
  return { order: query.get("order_by") ?? "recent", descending: query.get("order_direction") !== "asc" };
}

/**
 * Return the URL of a query in another order.
 *
 * @param {URLSearchParams} query
 * @param {string} order
 * @param {boolean} descending
 */
export function orderUrl(query, order, descending) {
  const restricted = DAY_ORDERS.includes(order) && !permitsDayOrders(query);
  const active = { status: "active", status__in: null, status__isnull: null };
  const changes = { order_by: order, order_direction: descending ? null : "asc" };
  return queryUrl(query, restricted ? { ...active, ...changes } : changes);
}

/**
 * Return the link and the hint of a column that sorts. The first click has the largest value, the latest time or the
 * first letter on top; the next one reverses it. Markets that are not settled close soonest first.
 *
 * @param {URLSearchParams} query
 * @param {string} order
 * @returns {{sort: SortLink, hint: string | undefined}}
 */
function sorting(query, order) {
  const present = orderOf(query);
  const isPresent = present.order === order || (present.order === "recent" && order === "close_time");
  const ascendingFirst = order === "ticker" || (order === "close_time" && permitsDayOrders(query));
  const descending = isPresent ? !present.descending : !ascendingFirst;
  const direction = isPresent ? (present.descending ? "descending" : "ascending") : null;
  const restricted = DAY_ORDERS.includes(order) && !permitsDayOrders(query);
  return { sort: { url: orderUrl(query, order, descending), direction }, hint: restricted ? DAY_HINT : undefined };
}

/** @param {URLSearchParams} query @param {string} field @param {string} name @returns {MarketColumn} */
function quantityColumn(query, field, name) {
  const cell = (/** @type {any} */ market) =>
    html`<span title=${quantity(market[field])}>${compactQuantity(market[field])}</span>`;
  return { name, numeric: true, cell, ...sorting(query, field) };
}

/** @param {URLSearchParams} query @param {string} field @param {any[]} rows @returns {MarketColumn} */
function fieldColumn(query, field, rows) {
  const numeric = rows.some((row) => typeof row[field] === "number");
  const cell = (/** @type {any} */ market) => fieldView(field, market[field]);
  return { name: field, numeric, cell, ...(field in ORDERS ? sorting(query, field) : {}) };
}

/** @param {string} field @param {any} value */
function fieldView(field, value) {
  if (isMissing(value)) {
    return "–";
  }
  if (field === "status") {
    return statusBadge({ status: value, result: "" });
  }
  if (/_(time|ts|at|datetime)$/.test(field)) {
    return timeView(value);
  }
  if (typeof value === "number") {
    return field.endsWith("_dollars") ? price(value) : quantity(value);
  }
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return html`<bdi class=${text.length > LONG_TEXT ? "text long" : "text"}>${text}</bdi>`;
}

/** @param {any} market */
function statusView(market) {
  const removed = market.removed_at
    ? html`<span class="badge" title="The exchange no longer has this market.">removed</span>`
    : nothing;
  return html`${statusBadge(market)}${removed}`;
}
