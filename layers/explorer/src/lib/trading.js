/** Views of a market's order book and trades. */

import { dataTable } from "./data_table.js";
import { localTime, price, quantity } from "./format.js";
import { html, nothing } from "./html.js";
import { csvText } from "./request_panel.js";

/** @typedef {[string, string]} Level Price in dollars and number of contracts. */
/** @typedef {{yes_bids: Level[], yes_asks: Level[]}} OrderBook */

const FIRST_LEVELS = 10;

/**
 * Return the view of an order book: bids and asks of the YES side as bars, the best levels first.
 *
 * @param {OrderBook} book
 * @param {boolean} all Whether all levels are shown, or the ten best of each side.
 * @param {() => void} showAll
 */
export function orderBookView({ yes_bids: bids, yes_asks: asks }, all, showAll) {
  const count = all ? Number.POSITIVE_INFINITY : FIRST_LEVELS;
  const levels = Math.max(bids.length, asks.length);
  const shown = [...bids.slice(0, count), ...asks.slice(0, count)];
  const largest = Math.max(...shown.map(([, contracts]) => Number(contracts)));
  return html`<div class="order-book">
      ${sideView("Bids to buy YES", "bid", bids.slice(0, count), largest)}
      ${sideView("Asks to sell YES", "ask", asks.slice(0, count), largest)}
    </div>
    ${
      levels > FIRST_LEVELS && !all
        ? html`<button type="button" @click=${showAll}>All ${quantity(levels)} levels</button>`
        : nothing
    }`;
}

/** Return an order book as CSV. @param {OrderBook} book */
export function orderBookCsv({ yes_bids: bids, yes_asks: asks }) {
  const rows = (/** @type {string} */ side, /** @type {Level[]} */ levels) =>
    levels.map(([dollars, contracts]) => [side, Number(dollars), Number(contracts)]);
  return csvText(["side", "price_dollars", "contracts"], [...rows("yes_bid", bids), ...rows("yes_ask", asks)]);
}

/** @param {string} name @param {string} side @param {Level[]} levels @param {number} largest */
function sideView(name, side, levels, largest) {
  return html`<table class=${side}>
    <caption>
      ${name}
    </caption>
    <thead>
      <tr>
        <th scope="col">Price</th>
        <th scope="col" class="numeric">Contracts</th>
      </tr>
    </thead>
    <tbody>
      ${levels.map(
        ([dollars, contracts]) => html`<tr>
          <td>${price(dollars)}</td>
          <td class="numeric">
            <svg class="depth" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
              <rect width=${(100 * Number(contracts)) / largest} height="1"></rect>
            </svg>
            <span>${quantity(contracts)}</span>
          </td>
        </tr>`,
      )}
      ${levels.length ? nothing : html`<tr><td colspan="2" class="muted">Nobody ${side === "bid" ? "bids" : "asks"}.</td></tr>`}
    </tbody>
  </table>`;
}

/**
 * Return the view of trades, the newest first.
 *
 * @param {any[]} trades
 * @param {unknown} more View that loads further trades.
 */
export function tradesView(trades, more) {
  const columns = [
    { name: "Time", cell: timeView },
    { name: "YES price", cell: (/** @type {any} */ trade) => price(trade.yes_price_dollars), numeric: true },
    { name: "Contracts", cell: (/** @type {any} */ trade) => quantity(trade.count_fp), numeric: true },
    { name: "Taker bought", cell: takerView },
  ];
  return html`${dataTable("Table of the last trades", columns, trades)} ${more}
    <p class="hidden" role="status">${quantity(trades.length)} trades</p>`;
}

/** @param {any} trade */
function timeView({ created_time }) {
  return html`<time datetime=${created_time}>${localTime(created_time)}</time>`;
}

/** @param {any} trade */
function takerView({ taker_outcome_side: side, is_block_trade: block }) {
  return html`<span class="change ${side === "yes" ? "up" : "down"}">${side?.toUpperCase() ?? "–"}</span>${block ? " · block" : ""}`;
}
