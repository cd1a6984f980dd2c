/** /explore: all markets by search, facets, filters and order. The query string is that of GET /markets. */

import { send } from "../lib/api.js";
import { ColumnForms } from "../lib/column_forms.js";
import { dataTable } from "../lib/data_table.js";
import { countText, facetsView, fetchFacets } from "../lib/facets.js";
import { filterChips, looserQueries } from "../lib/filter_chips.js";
import { quantity } from "../lib/format.js";
import { html, nothing, render } from "../lib/html.js";
import { Listing, loadRows, rowLimit } from "../lib/listing.js";
import { filtersOf, parseQuery, queryUrl } from "../lib/market_query.js";
import { marketColumns, neededFields, ORDERS, orderOf, orderUrl } from "../lib/market_table.js";
import { timeView } from "../lib/market_views.js";
import { requestPanel } from "../lib/request_panel.js";
import { everyMinute, Section, whenSeen } from "../lib/section.js";
import { fetchPrices, MAX_SPARKLINES } from "../lib/sparkline.js";
import { emptyView, firstCrawlView } from "../lib/states.js";
import { goTo, onStateChange, readState, stateUrl } from "../lib/url_state.js";
import { fetchCategories, relatedView } from "./explore/related.js";

const PAGE_ROWS = 50;
const main = /** @type {HTMLElement} */ (document.querySelector("#main"));
const isWide = matchMedia("(min-width: 64rem)").matches;

/** @typedef {import("../lib/api.js").ApiRequest} ApiRequest */

let query = parseQuery(location.search);
let seen = false;
/** @type {Map<string, number[]>} Prices of the last seven days, by ticker; empty for a market without any. */
const prices = new Map();

/** @type {Listing<any>} */
const table = new Listing((cursor, signal) => loadRows(marketsRequest(), cursor, PAGE_ROWS, signal), update, grown);
const facets = new Section((signal) => fetchFacets(query, signal), update);
const status = new Section(async (signal) => (await send({ path: "/status" }, signal)).data, update);
const categories = new Section(fetchCategories, update);
const forms = new ColumnForms(update);

/** Return the request of the present query. @returns {ApiRequest} */
function marketsRequest() {
  const order = [...query].filter(([name]) => name.startsWith("order_"));
  const rest = [
    ["fields", neededFields(query)],
    ["limit", String(rowLimit(query, "limit", PAGE_ROWS))],
  ];
  return { path: "/markets", parameters: new URLSearchParams([...filtersOf(query), ...order, ...rest]) };
}

/** @param {number} count */
function grown(count) {
  goTo(stateUrl(readState(), { limit: count }), { replace: true });
  query.set("limit", String(count));
}

/** Load the sparklines of the first rows that have none yet, in one request. A failure leaves them blank. */
async function loadSparklines() {
  const rows = table.data?.items.slice(0, MAX_SPARKLINES) ?? [];
  const tickers = rows.filter(hasSparkline).map(({ ticker }) => ticker);
  if (!seen || table.loading || query.has("fields") || tickers.length === 0) {
    return;
  }
  for (const ticker of tickers) {
    prices.set(ticker, []);
  }
  const fetched = await fetchPrices(tickers).catch(() => new Map());
  for (const [ticker, values] of fetched) {
    prices.set(ticker, values);
  }
  update();
}

/** @param {any} market */
function hasSparkline({ ticker, status }) {
  return status !== "finalized" && status !== "initialized" && !prices.has(ticker);
}

/** Load everything that the present query string stands for. */
function load() {
  query = parseQuery(location.search);
  document.title = titleText();
  facets.reload({ discardOnFailure: true });
  table.reload({ discardOnFailure: true });
  if (query.has("search")) {
    categories.loadOnce();
  }
}

function titleText() {
  const search = query.get("search");
  return `${search ? `${search} · ` : ""}Explore · Kalshi Markets`;
}

/** Render the page. The focus stays on a value of a facet, whose place changes. */
function update() {
  const key = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.key;
  render(pageView(), main);
  if (key && /** @type {HTMLElement} */ (document.activeElement).dataset.key !== key) {
    /** @type {HTMLElement | null} */ (main.querySelector(`[data-key="${CSS.escape(key)}"]`))?.focus();
  }
  loadSparklines();
}

function pageView() {
  return html`<h1>Explore markets</h1>
    ${searchView()} ${query.has("search") ? relatedView(query, categories.data ?? []) : nothing}
    ${status.data ? firstCrawlView(status.data) : nothing}
    <div class="explore">
      <details class="sidebar" ?open=${isWide}>
        <summary>Filter by</summary>
        <h2 class="hidden">Numbers of markets</h2>
        <div aria-busy=${facets.loading}>${countsView()}</div>
      </details>
      <div class="results">
        <h2 class="hidden">Markets</h2>
        ${filterChips(query)}
        <div class="tools">${orderView()}${forms.view(query)}</div>
        ${shownView()}
        <div class="rows" aria-busy=${table.loading && !table.loadingMore}>${table.view(tableView, 60, load)}</div>
      </div>
    </div>`;
}

/** Return the facets. A failure is shown once, beside the failure of the table, which has the same reason. */
function countsView() {
  return facets.error && table.error
    ? html`<p class="muted">No numbers: the request failed.</p>`
    : facets.view((data) => facetsView(query, data), 24);
}

function searchView() {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const search = String(new FormData(/** @type {HTMLFormElement} */ (event.currentTarget)).get("search")).trim();
    goTo(queryUrl(query, { search: search || null }));
  };
  return html`<form class="search" role="search" action="/explore" @submit=${submit}>
    <label class="hidden" for="search">Search markets</label>
    <input id="search" type="search" name="search" maxlength="200" autocomplete="off" .value=${query.get("search") ?? ""}
      placeholder="Words of a title, an outcome or a ticker" />
    <button class="primary">Search</button>
  </form>`;
}

function orderView() {
  const { order, descending } = orderOf(query);
  const pick = (/** @type {Event} */ event) => {
    const name = /** @type {HTMLSelectElement} */ (event.currentTarget).value;
    goTo(orderUrl(query, name, name !== "ticker"));
  };
  return html`<span class="order">
    <label for="order">Sort by</label>
    <select id="order" @change=${pick}>
      ${Object.entries(ORDERS).map(
        ([name, text]) => html`<option value=${name} .selected=${name === order}>${text}</option>`,
      )}
    </select>
    <a class="button" data-state href=${orderUrl(query, order, !descending)}
      ><span aria-hidden="true">${descending ? "↓" : "↑"}</span> ${descending ? "descending" : "ascending"}</a
    >
  </span>`;
}

function shownView() {
  const rows = table.data?.items.length;
  const total = facets.data && facets.data.count !== null ? countText(facets.data) : null;
  const shown = rows ? `${quantity(rows)} shown` : rows === 0 ? "none shown" : table.error ? "" : "loading";
  const text = [total ?? "Markets", shown].filter(Boolean).join(", ");
  const time = table.data?.crawledAt
    ? html`<span class="muted">confirmed ${timeView(table.data.crawledAt)}</span>`
    : nothing;
  return html`<div class="summary"><p id="shown" role="status" tabindex="-1">${text}</p>${time}</div>`;
}

/** @param {import("../lib/listing.js").Rows<any>} rows */
function tableView({ items, request }) {
  const panel = request ? requestPanel(request, "markets") : nothing;
  if (items.length === 0) {
    const reason = filtersOf(query).length ? "No market matches these filters." : "No markets are stored yet.";
    return html`${emptyView(reason, looserQueries(query))}${panel}`;
  }
  return html`${dataTable("Markets", marketColumns(query, items, prices), items)}
  ${table.moreView("Load more", "These are all matching markets.")} ${panel}`;
}

onStateChange(load);
load();
status.reload();
everyMinute(() => {
  if (!status.data?.live.finished_at) {
    status.reload();
  }
});
whenSeen(/** @type {Element} */ (main.querySelector(".rows")), () => {
  seen = true;
  loadSparklines();
});
