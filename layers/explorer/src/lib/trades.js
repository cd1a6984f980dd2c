/** View of a market's trades. */

import { dataTable } from "./data_table.js";
import { localTime, price, quantity } from "./format.js";
import { html, nothing } from "./html.js";
import { emptyView } from "./states.js";

/**
 * Return the view of trades, the newest first.
 *
 * @param {import("./paged_section.js").Rows} trades
 * @param {{more: () => void, loadingMore: boolean}} section
 */
export function tradesView({ rows, nextCursor }, section) {
  if (!rows.length && !nextCursor) {
    return emptyView("Nobody has traded this market yet.");
  }
  const columns = [
    { name: "Time", cell: timeView },
    { name: "YES price", cell: (/** @type {any} */ trade) => price(trade.yes_price_dollars), numeric: true },
    { name: "Contracts", cell: (/** @type {any} */ trade) => quantity(trade.count_fp), numeric: true },
    { name: "Taker bought", cell: takerView },
  ];
  return html`${dataTable("Last trades", columns, rows)}
  ${
    nextCursor
      ? html`<button type="button" ?disabled=${section.loadingMore} @click=${() => section.more()}>More trades</button>`
      : nothing
  }
  <p class="hidden" role="status">${quantity(rows.length)} trades</p>`;
}

/** @param {any} trade */
function timeView({ created_time }) {
  return html`<time datetime=${created_time}>${localTime(created_time)}</time>`;
}

/** @param {any} trade */
function takerView({ taker_outcome_side: side, is_block_trade: block }) {
  return html`<span class="change ${side === "yes" ? "up" : "down"}">${side?.toUpperCase() ?? "–"}</span>${block ? " · block" : ""}`;
}
