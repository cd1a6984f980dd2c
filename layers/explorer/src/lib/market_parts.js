/** Parts of a market's page that its stored fields fill: heading, facts, states, rules. */

import { dataTable } from "./data_table.js";
import { isMissing, localTime, newYorkTime, price, probability, quantity, relativeTime } from "./format.js";
import { html, nothing } from "./html.js";
import {
  changeView,
  hasQuotes,
  impliedPrice,
  isLastPriceCurrent,
  plainText,
  statusBadge,
  statusLabel,
} from "./market_views.js";
import { breadcrumb, exchangeLink } from "./page_parts.js";

/** Return the heading of a market. @param {any} market */
export function headerView(market) {
  const { ticker, title, subtitle, series_ticker: series, removed_at: removed } = market;
  return html`${breadcrumb(market)}
    ${
      removed
        ? html`<div class="notice" role="status">
            <strong>The exchange no longer has this market.</strong>
            <span>It was found missing ${localTime(removed)}. Below are its last known values; it has no chart, order book or trades.</span>
          </div>`
        : nothing
    }
    <h1><bdi>${plainText(title) || ticker}</bdi></h1>
    <p class="market-meta">
      ${subtitle ? html`<strong><bdi>${plainText(subtitle)}</bdi></strong>` : nothing} ${statusBadge(market)}
      <code>${ticker}</code> ${exchangeLink(series)}
    </p>`;
}

/** Return the facts of a market. @param {any} market */
export function factsView(market) {
  const { yes_bid_dollars: bid, yes_ask_dollars: ask, previous_price_dollars: previous } = market;
  const emptyBook = !hasQuotes(market);
  const settled = !isMissing(market.settlement_value);
  return html`<div class="market-now">
    <p class="market-price">
      <span class="number">${probability(impliedPrice(market))}</span>
      <span class="muted">${priceName(market, settled)}</span>
      ${settled || isMissing(market.price_change_24h_dollars) ? nothing : html`<span>${changeView(market)} <span class="muted">in 24 hours</span></span>`}
    </p>
    <dl class="facts">
      ${fact("Bid", price(bid), emptyBook ? "empty order book" : `${quantity(market.yes_bid_size)} contracts`)}
      ${fact("Ask", price(ask), emptyBook ? "empty order book" : `${quantity(market.yes_ask_size)} contracts`)}
      ${fact("Volume", quantity(market.volume), "contracts in all")}
      ${fact("Volume 24 h", quantity(market.volume_24h), previous ? `price a day ago ${price(previous)}` : "contracts")}
      ${fact("Open interest", quantity(market.open_interest), "contracts held")}
      ${fact("Liquidity", isMissing(market.liquidity) ? "–" : `$${quantity(market.liquidity / 100)}`, "at the best bid and ask")}
      ${timeFact("Opens", "Opened", market.open_time)} ${timeFact("Closes", "Closed", market.close_time)}
      ${settlementFact(market, settled)}
    </dl>
  </div>`;
}

/**
 * Return the states that a market has been in.
 *
 * @param {any} history
 * @param {any} market
 */
export function historyView({ items, truncated }, { first_seen_at: seen }) {
  const columns = [
    { name: "Since", cell: (/** @type {any} */ state) => localTime(state.from) },
    { name: "Status", cell: statusBadge },
    { name: "Close time", cell: (/** @type {any} */ state) => localTime(state.close_time) },
    { name: "Until", cell: (/** @type {any} */ state) => (state.until ? localTime(state.until) : "now") },
  ];
  return html`<p class="muted">
      This service first saw the market ${localTime(seen)}${truncated ? "; the newest 1,000 states are shown" : ""}.
    </p>
    ${dataTable("States of the market", columns, [...items].reverse())}`;
}

/** Return the rules of a market. @param {any} market */
export function rulesView({ rules_primary: primary, rules_secondary: secondary, early_close_condition: early }) {
  return primary || secondary
    ? html`<div class="rules">
        <p><bdi>${primary}</bdi></p>
        ${early ? html`<p><strong>Early close:</strong> <bdi>${early}</bdi></p>` : nothing}
        ${secondary ? html`<p><bdi>${secondary}</bdi></p>` : nothing}
      </div>`
    : html`<p class="muted">The exchange has sent no rules.</p>`;
}

/** @param {any} market @param {boolean} settled */
function priceName(market, settled) {
  if (settled) {
    return "settlement value of YES";
  }
  if (impliedPrice(market) === null) {
    return "chance of YES unknown: nobody has traded, bids or asks";
  }
  const last = Number(market.last_price_dollars) ? ` · last price ${price(market.last_price_dollars)}` : "";
  return isLastPriceCurrent(market) ? `chance of YES${last}` : `chance of YES · middle of bid and ask${last}`;
}

/** @param {string} name @param {string} value @param {unknown} note */
function fact(name, value, note) {
  return html`<div><dt>${name}</dt><dd>${value}<small>${note}</small></dd></div>`;
}

/** @param {string} future @param {string} past @param {string | null} time */
function timeFact(future, past, time) {
  const note = html`${localTime(time)}<br />${newYorkTime(time)}`;
  return html`<div class="wide"><dt>${time && Date.parse(time) < Date.now() ? past : future}</dt><dd>${relativeTime(time)}<small>${note}</small></dd></div>`;
}

/** @param {any} market @param {boolean} settled */
function settlementFact(
  { settlement_ts, settlement_value, result, expiration_value, status, expected_expiration_time },
  settled,
) {
  if (!settled) {
    return html`<div class="wide"><dt>Settlement</dt><dd>${statusLabel(status)}<small>outcome expected ${localTime(expected_expiration_time)}</small></dd></div>`;
  }
  const value = expiration_value ? `value ${expiration_value}` : "";
  const note = html`${localTime(settlement_ts)}<br /><bdi>${value}</bdi>`;
  return html`<div class="wide"><dt>Settlement</dt><dd>${(result || "–").toUpperCase()} · ${price(settlement_value)}<small>${note}</small></dd></div>`;
}
