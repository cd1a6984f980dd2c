/** Page of all series: categories, search, and a table with market counts. */

import { ApiFailure, send } from "../lib/api.js";
import { quantity } from "../lib/format.js";
import { html, nothing, render } from "../lib/html.js";
import { Listing } from "../lib/listing.js";
import { timeView } from "../lib/market_views.js";
import { csvText, requestPanel } from "../lib/request_panel.js";
import { Section } from "../lib/section.js";
import { emptyView, firstCrawlView } from "../lib/states.js";
import { goTo, onStateChange, readState, stateUrl } from "../lib/url_state.js";
import { facetRequest, loadPage, ORDERS, orderOf, seriesRequest } from "./series_list/requests.js";
import { seriesTable, sortedRows } from "./series_list/table.js";

const CATEGORY_REQUEST = { path: "/markets/facets", parameters: { facet: "category", limit: 100 } };
const main = /** @type {HTMLElement} */ (document.getElementById("main"));

let state = readState();
const categories = new Section(async (signal) => (await send(CATEGORY_REQUEST, signal)).data, update);
const series = new Listing(loadSeries, update, grown);
const status = new Section(async (signal) => (await send({ path: "/status" }, signal)).data, update);

document.title = "Series – Kalshi Markets";
onStateChange(() => {
  const previous = state;
  state = readState();
  if (stateUrl(previous, { sort: null }) === stateUrl(state, { sort: null })) {
    update();
  } else {
    series.reload({ discard: true });
  }
});
update();
categories.reload();
series.reload();

/** @param {string | null} next @param {AbortSignal} [signal] */
async function loadSeries(next, signal) {
  const page = await loadPage(state, next, next === null ? [] : (series.data?.items ?? []), signal);
  if (next === null && page.items.length === 0) {
    status.reload();
  }
  return page;
}

/** @param {number} count */
function grown(count) {
  goTo(stateUrl(state, { limit: count }), { replace: true });
  state = readState();
}

function update() {
  render(
    html`<h1>Series</h1>
      <p class="muted">
        A series is a question that is asked again and again, such as the price of bitcoin each hour. Its events are the
        occasions, its markets the outcomes.
      </p>
      ${searchForm()}
      <div class="layout">
        <nav aria-labelledby="categories">
          <h2 id="categories">Categories</h2>
          ${categories.view(categoryList, 12)}
        </nav>
        <section aria-labelledby="list">
          <h2 id="list">${state.get("category") ?? "All categories"}</h2>
          ${orderLinks()} ${isUncounted() ? uncountedView() : nothing} ${series.view(resultView, 30)}
        </section>
      </div>`,
    main,
  );
}

function searchForm() {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const fields = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    goTo(stateUrl(state, { search: String(fields.get("search")).trim(), in: String(fields.get("in")) }));
  };
  return html`<form class="search" role="search" @submit=${submit}>
    <label class="hidden" for="search">Search for series</label>
    <input id="search" name="search" type="search" maxlength="200" placeholder="Text of a title or ticker"
      .value=${state.get("search") ?? ""} />
    <label class="hidden" for="in">Search in</label>
    <select id="in" name="in">
      <option value="" .selected=${state.get("in") !== "ticker"}>in titles</option>
      <option value="ticker" .selected=${state.get("in") === "ticker"}>in tickers</option>
    </select>
    <button class="primary">Search</button>
  </form>`;
}

/** @param {any} data Response of GET /markets/facets. */
function categoryList({ facets, count, counted_at: countedAt }) {
  const { values } = facets.category;
  if (!values?.length) {
    return html`<p class="muted">${values ? "There are no categories yet." : "Categories could not be counted in time."}</p>`;
  }
  const present = state.get("category");
  const link = (/** @type {string | null} */ value, /** @type {string} */ name, /** @type {number | null} */ number) =>
    html`<li>
      <a href=${stateUrl(state, { category: value })} data-state aria-current=${present === value ? "true" : nothing}
        ><bdi>${name}</bdi><span class="numeric">${quantity(number)}</span></a
      >
    </li>`;
  return html`<ul class="categories">
      ${link(null, "All", count)}
      ${values.filter((/** @type {any} */ each) => each.value !== null).map((/** @type {any} */ each) => link(each.value, each.value, each.count))}
    </ul>
    <p class="muted small">Numbers of markets, ${countedAt ? html`counted ${timeView(countedAt)}` : "counted now"}.</p>`;
}

function orderLinks() {
  const order = orderOf(state);
  const searching = Boolean(state.get("search"));
  return html`<p class="orders">
    <span id="order" class="muted">Order</span>
    ${ORDERS.filter(({ name }) => !(searching && name === "markets")).map(
      ({ name, label }) =>
        html`<a class="button" data-state href=${stateUrl(state, { order: name, sort: null })}
          aria-current=${name === order ? "true" : nothing}>${label}</a>`,
    )}
  </p>`;
}

/** Return whether the order by markets took too long. */
function isUncounted() {
  const { error } = series;
  return error instanceof ApiFailure && error.code === "query_timeout" && orderOf(state) === "markets";
}

function uncountedView() {
  const url = stateUrl(state, { order: "ticker", sort: null });
  return html`<p><a data-state href=${url}>Order the series by ticker</a>, which requires no count of the markets.</p>`;
}

/** @param {import("../lib/listing.js").Rows<any, any>} rows */
function resultView({ items, next, total }) {
  if (items.length === 0) {
    return noMatchView();
  }
  const byMarkets = orderOf(state) === "markets";
  const sort = state.get("sort");
  const number = byMarkets
    ? `The ${quantity(items.length)} series with the most markets${next === null ? "; no other series has a market" : ""}.`
    : `${quantity(total)} series, ${quantity(items.length)} of them below.`;
  const countedAt = items.find((/** @type {any} */ row) => row.market_counts)?.market_counts.counted_at;
  return html`<p role="status">
      ${number}
      ${sort ? html`<strong>Sorted among the ${quantity(items.length)} loaded series only:</strong> the API has no order by ${sort === "open" ? "open markets" : "volume"}.` : nothing}
      ${countedAt ? html`Market counts as of ${timeView(countedAt)}.` : "The crawler has not counted the markets yet."}
    </p>
    ${seriesTable(sortedRows(items, sort), state)} ${series.moreView()} ${panels(items)}`;
}

/** @param {any[]} items */
function panels(items) {
  if (orderOf(state) !== "markets") {
    return requestPanel(seriesRequest(state), "series");
  }
  const tickers = items.slice(0, 200).map((row) => row.series_ticker);
  return html`<h3>Requests</h3>
    <p class="muted">The first request ranks the series, the second one has their details.</p>
    ${requestPanel(facetRequest(state, items.length), "numbers of markets by series", { csv: () => facetCsv(items), list: "facets.series_ticker.values" })}
    ${requestPanel(seriesRequest(state, tickers), "series")}`;
}

/** @param {any[]} items */
function facetCsv(items) {
  return csvText(
    ["series_ticker", "markets"],
    items.map((row) => [row.series_ticker, row.ranked_markets]),
  );
}

function noMatchView() {
  const firstCrawl = status.data && firstCrawlView(status.data);
  if (firstCrawl) {
    return firstCrawl;
  }
  const search = state.get("search");
  const elsewhere = state.get("in") === "ticker" ? null : "ticker";
  const links = [
    search && [stateUrl(state, { in: elsewhere }), `Search in ${elsewhere ? "tickers" : "titles"} instead`],
    search && state.get("category") && [stateUrl(state, { category: null }), "Search in all categories"],
    search && [stateUrl(state, { search: null, in: null }), "Remove the search"],
    !search && state.get("category") && [stateUrl(state, { category: null }), "Show all categories"],
    search && [`/explore?search=${encodeURIComponent(search)}`, "Search for markets"],
  ];
  return emptyView(
    search || state.get("category") ? "No series matches." : "No series has a market yet.",
    html`<ul class="inline">
      ${links.map((link) => (link ? html`<li><a href=${link[0]} data-state=${link[0].startsWith("/explore?") ? nothing : ""}>${link[1]}</a></li>` : nothing))}
    </ul>`,
  );
}
