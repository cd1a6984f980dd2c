/** /: search, movers, most traded, closing next, and how fresh the data is. */

import { requestPath, send } from "../lib/api.js";
import { dataTable } from "../lib/data_table.js";
import { compactQuantity, quantity, relativeTime } from "../lib/format.js";
import { html, nothing, render } from "../lib/html.js";
import { changeView, MARKET_FIELDS, marketLink, probabilityView, timeView } from "../lib/market_views.js";
import { requestPanel } from "../lib/request_panel.js";
import { everyMinute, Section } from "../lib/section.js";
import { emptyView, failureView, firstCrawlView } from "../lib/states.js";

const ROWS = 5;
const home = /** @type {HTMLElement} */ (document.querySelector("#home"));

/** @typedef {import("../lib/api.js").ApiRequest} ApiRequest */
/** @typedef {import("../lib/data_table.js").Column<any>} MarketColumn */

/**
 * List of markets.
 *
 * @typedef {object} MarketList
 * @property {string} title
 * @property {() => Record<string, string>} query Filters and order, as in the query string of /explore.
 * @property {MarketColumn} column Column beside the market and its probability.
 * @property {(market: any) => boolean} [belongs] Whether a market belongs to the list: those that do not are left out,
 *   and an empty list is hidden.
 */

const CHANGE = { name: "24 h", numeric: true, cell: changeView };
const BY_CHANGE = { status: "active", order_by: "price_change_24h_dollars" };

/** @type {MarketList[]} */
const LISTS = [
  {
    title: "Largest rises",
    query: () => BY_CHANGE,
    column: CHANGE,
    belongs: (market) => market.price_change_24h_dollars > 0,
  },
  {
    title: "Largest falls",
    query: () => ({ ...BY_CHANGE, order_direction: "asc" }),
    column: CHANGE,
    belongs: (market) => market.price_change_24h_dollars < 0,
  },
  {
    title: "Most traded",
    query: () => ({ status: "active", order_by: "volume_24h" }),
    column: { name: "Vol. 24 h", numeric: true, cell: volumeView },
  },
  {
    title: "Closing next",
    query: () => ({
      close_time__gte: nextMinute(),
      status: "active",
      order_by: "close_time",
      order_direction: "asc",
    }),
    column: { name: "Closes", numeric: true, cell: (market) => timeView(market.close_time) },
  },
];

const sections = LISTS.map((list) => new Section((signal) => loadList(list, signal), update));
const status = new Section(async (signal) => (await send({ path: "/status" }, signal)).data, update);

/** @param {MarketList} list @param {AbortSignal} signal */
async function loadList({ query, belongs = () => true }, signal) {
  const parameters = query();
  const request = { path: "/markets", parameters: { ...parameters, fields: MARKET_FIELDS, limit: ROWS } };
  const { data, crawledAt } = await send(request, signal);
  return { request, url: requestPath({ path: "/explore", parameters }), rows: data.items.filter(belongs), crawledAt };
}

/**
 * Return the start of the next minute, so that requests within a minute are the same. A market that closes in the present
 * minute may have closed already, before the crawler reads it again.
 */
function nextMinute() {
  return `${new Date(Date.now() + 60_000).toISOString().slice(0, 16)}Z`;
}

/** @param {any} market */
function volumeView({ volume_24h }) {
  return html`<span title=${quantity(volume_24h)}>${compactQuantity(volume_24h)}</span>`;
}

function update() {
  render(
    html`<form class="search" role="search" action="/explore">
        <label class="hidden" for="search">Search markets</label>
        <input id="search" type="search" name="search" maxlength="200" placeholder="Search open markets" />
        <button class="primary">Search</button>
        <input type="hidden" name="status" value="active" />
        <input type="hidden" name="order_by" value="volume_24h" />
      </form>
      <div class="freshness">${freshnessView()}</div>
      <div class="cards lists">${LISTS.map(listView)}</div>`,
    home,
  );
}

function freshnessView() {
  const { data, error } = status;
  if (!data) {
    return error ? failureView(error, () => status.reload(), { compact: true }) : html`<p class="muted">Loading</p>`;
  }
  const { markets, live, archive } = data;
  const crawledAt = sections.find((section) => section.data)?.data?.crawledAt;
  const completeness = live.complete
    ? html`live data complete, confirmed <time datetime=${live.started_at}>${relativeTime(live.started_at)}</time>`
    : "live data incomplete";
  return html`${firstCrawlView(data)}
    <p>
      <span class="dot" data-complete=${live.complete} aria-hidden="true"></span>
      <strong>${quantity(markets)} markets</strong> · ${completeness} · archive
      ${archive.complete ? "complete" : "incomplete"} ·
      ${crawledAt ? html`last update ${timeView(crawledAt)} · ` : nothing}<a href="/explore/status">Status</a>
    </p>`;
}

/** @param {MarketList} list @param {number} index */
function listView(list, index) {
  const section = sections[index];
  if (section.data?.rows.length === 0 && list.belongs) {
    return nothing;
  }
  const id = `list-${index}`;
  return html`<section class="card" aria-labelledby=${id}>
    <h2 id=${id}>${list.title}</h2>
    ${section.view((data) => rowsView(list, data), 12)}
  </section>`;
}

/** @param {MarketList} list @param {{request: ApiRequest, url: string, rows: any[]}} data */
function rowsView({ title, column }, { request, url, rows }) {
  const columns = [
    { name: "Market", wide: true, cell: marketLink },
    { name: "Probability", cell: probabilityView },
    column,
  ];
  return html`${
    rows.length
      ? dataTable(`Markets: ${title}`, columns, rows)
      : emptyView("No market is open for trading.", html`<a href="/explore?order_by=recent">Show all markets</a>`)
  }
    <div class="below"><a href=${url}>Show more<span class="hidden"> of ${title}</span></a>${requestPanel(request, title)}</div>`;
}

function reload() {
  for (const section of [status, ...sections]) {
    section.reload();
  }
}

reload();
everyMinute(reload);
