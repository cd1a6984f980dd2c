/** Outcomes of an event: their names, their order, and the table that compares them. */

import { dataTable } from "./data_table.js";
import { hundredfold, quantity } from "./format.js";
import { html } from "./html.js";
import { changeView, impliedPrice, MARKET_FIELDS, probabilityView, quoteView, statusBadge } from "./market_views.js";
import { outcomeLink } from "./outcome_link.js";
import { stateUrl } from "./url_state.js";

/** Columns of a market that the views below read. */
export const OUTCOME_FIELDS = `${MARKET_FIELDS},open_time,floor_strike,cap_strike,settlement_ts,removed_at`;

/** @typedef {"strike" | "probability" | "volume"} Order */

/** @type {readonly Order[]} */
const ORDERS = ["strike", "probability", "volume"];

/**
 * Return the order of the URL, else the order by strike if the outcomes have strikes, else by probability.
 *
 * @param {string | null} name
 * @param {any[]} markets
 * @returns {Order}
 */
export function chosenOrder(name, markets) {
  const fallback = markets.some((market) => market.floor_strike ?? market.cap_strike) ? "strike" : "probability";
  return ORDERS.find((order) => order === name) ?? fallback;
}

/** Return markets in an order; they come from the API by strike. @param {any[]} markets @param {Order} order */
export function inOrder(markets, order) {
  const key = {
    strike: () => 0,
    probability: (/** @type {any} */ market) => impliedPrice(market) ?? -1,
    volume: (/** @type {any} */ market) => Number(market.volume ?? -1),
  }[order];
  return [...markets].sort((a, b) => key(b) - key(a));
}

/** Return the sum of the probabilities in per cent. @param {any[]} markets */
export function probabilitySum(markets) {
  return hundredfold(markets.reduce((sum, market) => sum + (impliedPrice(market) ?? 0), 0));
}

/**
 * Return the table of outcomes.
 *
 * @param {any[]} markets In their order.
 * @param {URLSearchParams} state
 * @param {Order} order
 */
export function outcomeTable(markets, state, order) {
  const sort = (/** @type {Order} */ name) => ({
    url: stateUrl(state, { order: name }),
    direction:
      name === order
        ? name === "strike"
          ? /** @type {const} */ ("ascending")
          : /** @type {const} */ ("descending")
        : null,
  });
  return dataTable(
    "Outcomes of the event",
    [
      { name: "Outcome", cell: outcomeLink, wide: true, sort: sort("strike"), hint: "Sort by strike" },
      { name: "Probability", cell: probabilityView, sort: sort("probability") },
      { name: "Bid / ask", cell: quoteView, numeric: true },
      { name: "24 h", cell: changeView, numeric: true, hint: "Change of the price in 24 hours" },
      { name: "Volume", cell: ({ volume }) => quantity(volume), numeric: true, sort: sort("volume") },
      { name: "Status", cell: statusView },
    ],
    markets,
  );
}

/** @param {any} market */
function statusView(market) {
  return market.removed_at ? html`<span class="badge">removed</span>` : statusBadge(market);
}
