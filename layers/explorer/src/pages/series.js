/** Page of one series: its facts, its events and its most traded open markets. */

import { ApiFailure, send, withParameters } from "../lib/api.js";
import { dataTable } from "../lib/data_table.js";
import { compactQuantity, quantity } from "../lib/format.js";
import { html, nothing, render } from "../lib/html.js";
import { Listing } from "../lib/listing.js";
import {
  changeView,
  eventPath,
  MARKET_FIELDS,
  marketLink,
  probabilityView,
  quoteView,
  seriesPath,
  timeView,
} from "../lib/market_views.js";
import { csvText, requestPanel } from "../lib/request_panel.js";
import { Section } from "../lib/section.js";
import { emptyView, failureView } from "../lib/states.js";
import { goTo, onStateChange, pathParameter, readState, stateUrl } from "../lib/url_state.js";
import { factRows, factsView } from "./series/facts.js";

const EVENT_ORDERS = /** @type {Record<string, {label: string, direction: string}>} */ ({
  last_updated_ts: { label: "Last edited", direction: "desc" },
  strike_date: { label: "Date", direction: "desc" },
  event_ticker: { label: "Ticker", direction: "asc" },
});
const EVENT_PAGE_SIZE = 25;
/** Height of the facts in lines of a placeholder: on a narrow screen they are in fewer columns. */
const FACT_LINES = matchMedia("(max-width: 40rem)").matches ? 23 : 11;
const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const ticker = pathParameter();
const seriesRequest = { path: `/series/${encodeURIComponent(ticker)}`, parameters: { fields: "all" } };
const marketsRequest = {
  path: "/markets",
  parameters: {
    series_ticker: ticker,
    status: "active",
    order_by: "volume_24h",
    limit: 10,
    fields: MARKET_FIELDS,
  },
};
const similarRequest = {
  path: "/series",
  parameters: { series_ticker__startswith: ticker.slice(0, 5).toUpperCase(), limit: 10, fields: "series_ticker,title" },
};

let state = readState();
const series = new Section(async (signal) => (await send(seriesRequest, signal)).data, update);
const similar = new Section(async (signal) => (await send(similarRequest, signal)).data.items, update);
const markets = new Section(async (signal) => (await send(marketsRequest, signal)).data.items, update);
const events = new Listing(loadEvents, update, grown);

onStateChange(() => {
  state = readState();
  events.reload({ discard: true });
});
loadSeries();
markets.reload();
events.reload();

async function loadSeries() {
  await series.reload();
  if (series.error instanceof ApiFailure && series.error.status === 404) {
    similar.reload();
  }
}

function eventOrder() {
  const order = state.get("order") ?? "";
  return Object.hasOwn(EVENT_ORDERS, order) ? order : "last_updated_ts";
}

function eventLimit() {
  const limit = Number.parseInt(state.get("limit") ?? "", 10);
  return limit >= 1 ? Math.min(limit, 1_000) : EVENT_PAGE_SIZE;
}

/** @param {number} count */
function grown(count) {
  goTo(stateUrl(state, { limit: count }), { replace: true });
  state = readState();
}

function eventsRequest() {
  const order = eventOrder();
  const parameters = {
    series_ticker: ticker,
    order_by: order,
    order_direction: EVENT_ORDERS[order].direction,
    limit: eventLimit(),
  };
  return { path: "/events", parameters: { ...parameters, count_total: "exact" } };
}

/**
 * @param {string | null} cursor
 * @param {AbortSignal} [signal]
 */
async function loadEvents(cursor, signal) {
  const request = eventsRequest();
  const next = withParameters(request, { cursor, limit: EVENT_PAGE_SIZE });
  const { data } = await send(cursor === null ? request : next, signal);
  return { items: data.items, next: data.next_cursor, total: data.total };
}

function update() {
  const title = series.data?.title || ticker;
  document.title = `${title} – Kalshi Markets`;
  render(
    html`<nav class="breadcrumb" aria-label="Breadcrumb">
        <span><a href="/explore/series">Series</a></span>
        ${
          series.data?.category
            ? html`<span><a href="/explore/series?category=${encodeURIComponent(series.data.category)}"><bdi>${series.data.category}</bdi></a></span>`
            : nothing
        }
        <span aria-current="page">${ticker}</span>
      </nav>
      <h1><bdi>${title}</bdi></h1>
      ${isUnknown() ? unknownView() : series.view(factsView, FACT_LINES)}
      ${series.data ? requestPanel(seriesRequest, `series ${ticker}`, { csv: () => csvText(["field", "value"], factRows(series.data)), list: null }) : nothing}
      <h2>Most traded open markets</h2>
      ${markets.view(marketsView, 12)}
      <h2>Events</h2>
      ${eventOrders()} ${events.view(eventsView, 28)}`,
    main,
  );
}

function isUnknown() {
  return series.error instanceof ApiFailure && series.error.status === 404;
}

function unknownView() {
  const search = encodeURIComponent(ticker);
  return html`${failureView(series.error, null)}
    <ul>
      <li><a href="/explore/series?in=ticker&search=${search}">Search for series with this ticker</a></li>
      <li><a href="/explore?search=${search}">Search for markets</a></li>
    </ul>
    ${
      similar.data?.length
        ? html`<h2>Similar tickers</h2>
            <ul>
              ${similar.data.map((/** @type {any} */ row) => html`<li><a href=${seriesPath(row.series_ticker)}>${row.series_ticker}</a> <bdi>${row.title}</bdi></li>`)}
            </ul>`
        : nothing
    }`;
}

/** @param {any[]} items */
function marketsView(items) {
  const all = html`<a href="/explore?series_ticker=${encodeURIComponent(ticker)}">All markets of this series</a>`;
  if (items.length === 0) {
    return emptyView("No market of this series is open now.", all);
  }
  return html`${dataTable(
    "Most traded open markets",
    [
      { name: "Market", wide: true, cell: marketLink },
      { name: "Probability", numeric: true, cell: probabilityView },
      { name: "Bid / ask", numeric: true, optional: true, cell: quoteView },
      { name: "24 h", numeric: true, hint: "Change of the price within 24 hours", cell: changeView },
      { name: "Volume 24 h", numeric: true, cell: (market) => compactQuantity(market.volume_24h) },
      { name: "Closes", optional: true, cell: (market) => timeView(market.close_time) },
    ],
    items,
  )}
    <p>${all}</p>
    ${requestPanel(marketsRequest, `most traded markets of ${ticker}`)}`;
}

function eventOrders() {
  const order = eventOrder();
  return html`<p class="orders">
      <span class="muted">Order</span>
      ${Object.entries(EVENT_ORDERS).map(
        ([name, { label }]) =>
          html`<a class="button" data-state href=${stateUrl(state, { order: name })}
            aria-current=${name === order ? "true" : nothing}>${label}</a>`,
      )}
    </p>`;
}

/** @param {import("../lib/listing.js").Rows<any>} rows */
function eventsView({ items, total }) {
  if (items.length === 0) {
    return emptyView(
      "No event of this series is stored.",
      html`<p>An event is stored with its first market. <a href="/explore/status">Progress of the crawler</a></p>`,
    );
  }
  return html`<p role="status">${quantity(total)} events, ${quantity(items.length)} of them below.</p>
    ${dataTable(
      "Events",
      [
        { name: "Event", wide: true, cell: eventLink },
        { name: "Ticker", optional: true, cell: (event) => html`<code>${event.event_ticker}</code>` },
        { name: "Date", cell: (event) => timeView(event.strike_date) },
        { name: "Last edited", optional: true, cell: (event) => timeView(event.last_updated_ts) },
      ],
      items,
    )}
    ${events.moreView()} ${requestPanel(eventsRequest(), `events of ${ticker}`)}`;
}

/** @param {any} event */
function eventLink({ event_ticker: eventTicker, title, sub_title: subTitle }) {
  return html`<a class="market-link" href=${eventPath(eventTicker)}
    ><bdi class="title">${title || eventTicker}</bdi> <bdi class="outcome">${subTitle}</bdi></a
  >`;
}
