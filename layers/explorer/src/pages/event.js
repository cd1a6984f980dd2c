/** Page of an event: its outcomes side by side, and all of them as lines in one chart. */

import { ApiFailure, send } from "../lib/api.js";
import { periodText } from "../lib/candlesticks.js";
import { rangeLinks } from "../lib/chart_controls.js";
import { dataTable } from "../lib/data_table.js";
import { chosenLines, linesCsv, loadLines, toLineData } from "../lib/event_chart.js";
import { localTime, quantity } from "../lib/format.js";
import { html, nothing, render } from "../lib/html.js";
import { NAMED_LINES, percentText } from "../lib/line_chart.js";
import { Listing, loadRows, rowLimit } from "../lib/listing.js";
import { plainText, seriesPath, timeView } from "../lib/market_views.js";
import { chosenOrder, inOrder, OUTCOME_FIELDS, outcomeTable, probabilitySum } from "../lib/outcomes.js";
import { breadcrumb, exchangeLink, notFoundView } from "../lib/page_parts.js";
import { requestPanel } from "../lib/request_panel.js";
import { everyMinute, Section, whenSeen } from "../lib/section.js";
import { emptyView, failureView, firstCrawlView, loadingView } from "../lib/states.js";
import { goTo, onStateChange, pathParameter, readState, stateUrl } from "../lib/url_state.js";

/** @typedef {import("../lib/event_chart.js").Candlesticks} Candlesticks */
/** @typedef {import("../lib/event_chart.js").Choice} Choice */

const PAGE = 200;
const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const ticker = pathParameter();
const path = `/events/${encodeURIComponent(ticker)}`;
/** @type {import("../lib/api.js").ApiRequest} */ const eventApi = {
  path: "/events",
  parameters: { event_ticker: ticker },
};

const event = new Section(async (signal) => (await send(eventApi, signal)).data.items[0] ?? null, show);
/** @type {Listing<any>} */
const outcomes = new Listing((cursor, signal) => loadRows(outcomesApi(), cursor, PAGE, signal), show, grown);
const crawl = new Section(async (signal) => (await send({ path: "/status" }, signal)).data, show);
const candlesticks = new Section(loadCandlesticks, show);
let chartObserved = false;
let chartSeen = false;
/** @type {string | undefined} Key of the choice that was requested last, whether or not its response has arrived. */
let requestedKey;
let tableOpen = false;
/** @type {{source: unknown, chart: ReturnType<typeof toLineData>}} */
let drawn = { source: undefined, chart: null };

/** @returns {import("../lib/api.js").ApiRequest} */
function outcomesApi() {
  const limit = rowLimit(readState(), "limit", PAGE);
  return { path: `${path}/markets`, parameters: { fields: OUTCOME_FIELDS, limit } };
}

/** @param {number} count Number of outcomes. */
function grown(count) {
  goTo(stateUrl(readState(), { limit: count }), { replace: true });
  followChoice();
}

/** Return what the chart is to show by the URL and the outcomes; null if no outcome has opened. */
function presentChoice() {
  return chosenLines(outcomes.data?.items ?? [], event.data?.mutually_exclusive === true, readState());
}

/** @param {AbortSignal} signal */
async function loadCandlesticks(signal) {
  const choice = presentChoice();
  requestedKey = choice?.key;
  return choice && (await loadLines(choice, signal));
}

/** Load the chart if another choice was requested last. */
function followChoice() {
  if (chartSeen && presentChoice()?.key !== requestedKey) {
    candlesticks.reload();
  }
}

/** Return whether neither the event nor a market of it is stored. */
function isUnknown() {
  const { data, error } = outcomes;
  return event.data === null && !data && error instanceof ApiFailure && error.status === 404;
}

function show() {
  const first = outcomes.data?.items[0];
  const title = plainText(event.data?.title || first?.event_title);
  document.title = `${title || (isUnknown() ? "Event not found" : ticker)} · Kalshi Markets`;
  if (isUnknown()) {
    render(notFoundView("event", ticker, crawl.data ? firstCrawlView(crawl.data) : null), main);
    crawl.loadOnce();
    return;
  }
  const isMissing = event.data === null && !first;
  const view = isMissing
    ? outcomes.view(() => pageView({ event_ticker: ticker }), 30)
    : event.view(eventView, 30, loadAll);
  render(view, main);
  observeChart();
}

function loadAll() {
  event.reload();
  outcomes.reload();
}

/** Load the chart when it is first seen. */
function observeChart() {
  const element = document.getElementById("chart");
  if (element && outcomes.data?.items.length && !chartObserved) {
    chartObserved = true;
    whenSeen(element, () => {
      chartSeen = true;
      candlesticks.reload();
    });
  }
}

/** @param {any} row Event. Null: it is not stored yet, and a market says what is known of it. */
function eventView(row) {
  const { event_title: title, series_ticker } = outcomes.data?.items[0] ?? {};
  return pageView(row ?? { event_ticker: ticker, title, series_ticker });
}

/** @param {any} row Event. */
function pageView(row) {
  return html`${breadcrumb({ category: row.category, series_ticker: row.series_ticker })}
    <h1><bdi>${plainText(row.title) || ticker}</bdi></h1>
    <p class="market-meta">
      ${row.sub_title ? html`<strong><bdi>${row.sub_title}</bdi></strong>` : nothing} <code>${ticker}</code>
      ${row.series_ticker ? html`<a href=${seriesPath(row.series_ticker)}>All events of the series</a>` : nothing}
      ${exchangeLink(row.series_ticker)}
    </p>
    <p>${exclusiveText(row)}${row.strike_date ? html` · date of the event: ${localTime(row.strike_date)}` : nothing}</p>
    ${requestPanel(eventApi, `event ${ticker}`)}
    <section id="chart" aria-labelledby="chart-heading">
      <h2 id="chart-heading">Probabilities over time</h2>
      ${chartSection()}
    </section>
    <section aria-labelledby="outcomes-heading">
      <h2 id="outcomes-heading">Outcomes</h2>
      ${outcomes.view((data) => outcomesView(data, row), 20)}
    </section>`;
}

/** @param {any} row Event. */
function exclusiveText({ mutually_exclusive: exclusive }) {
  if (exclusive === undefined || exclusive === null) {
    return "The event itself is not stored yet; its markets are";
  }
  return exclusive ? "At most one outcome resolves to YES" : "Several outcomes may resolve to YES";
}

function chartSection() {
  const choice = outcomes.data ? presentChoice() : undefined;
  if (choice === null) {
    return emptyView("No outcome has opened yet, so there are no prices.");
  }
  if (choice === undefined) {
    return html`<div class="choices"></div>
      <div class="chart-space">${loadingView(20)}</div>`;
  }
  const state = readState();
  const hasFailed = Boolean(candlesticks.error) && !isShown(choice);
  const shown = hasFailed ? null : candlesticks.data;
  return html`<div class="choices">
      ${rangeLinks(state, choice.range)} <span class="label">Interval: ${choice.interval.about}</span>
    </div>
    ${choice.left ? leftView(choice, state) : nothing}
    <div class="chart-space">
      ${hasFailed ? failureView(candlesticks.error, () => candlesticks.reload()) : candlesticks.view(chartView, 20)}
    </div>
    ${requestPanel(shown?.choice.request ?? choice.request, `candlesticks of ${ticker}`, {
      csv: shown ? () => linesCsv(shown) : null,
      list: "results",
    })}`;
}

/** @param {Choice} choice @param {URLSearchParams} state */
function leftView({ markets, left }, state) {
  if (state.get("outcomes") === "all") {
    return html`<p class="muted">The chart has ${quantity(markets.length)} outcomes; ${quantity(left)} have no line.</p>`;
  }
  return html`<p>
    These are the ${quantity(markets.length)} leading outcomes. The exchange has archived the event, and each line is a
    request to its archive.
    <a data-state href=${stateUrl(state, { outcomes: "all" })}>Draw all ${quantity(markets.length + left)} outcomes</a>
  </p>`;
}

/** Return whether the chart shows a choice. @param {Choice | null} choice */
function isShown(choice) {
  return candlesticks.data?.choice.key === choice?.key;
}

/** @param {Candlesticks | null} data */
function chartView(data) {
  if (drawn.source !== data) {
    drawn = { source: data, chart: data && toLineData(data) };
  }
  if (!data || !drawn.chart) {
    return emptyView(
      "The exchange has no candlesticks of this period: nobody traded, and there were no bids and asks.",
    );
  }
  const chart = drawn.chart;
  return html`${data.unanswered.length ? unansweredView(data) : nothing}
    <div aria-busy=${!isShown(presentChoice())}><line-chart .data=${chart}></line-chart></div>
    <details class="chart-data" @toggle=${toggleTable}>
      <summary>Table of the chart</summary>
      ${tableOpen ? lineTable(chart) : nothing}
    </details>`;
}

/** @param {Candlesticks} data */
function unansweredView({ unanswered }) {
  return html`<div class="notice" role="status">
    <span>The exchange has not sent ${quantity(unanswered.length)} of the outcomes in time; they have no line.</span>
    <button type="button" @click=${() => candlesticks.reload()}>Retry</button>
  </div>`;
}

/** @param {Event} toggle */
function toggleTable(toggle) {
  tableOpen = /** @type {HTMLDetailsElement} */ (toggle.currentTarget).open;
  show();
}

/** @param {import("../lib/line_chart.js").LineData} chart */
function lineTable({ lines: all, periods }) {
  const rest = all.length - NAMED_LINES;
  const columns = all.slice(0, NAMED_LINES).map(({ name, values }) => ({
    name,
    numeric: true,
    cell: (/** @type {number} */ index) => percentText(values[index]),
  }));
  const period = { name: "Period", cell: (/** @type {number} */ index) => periodText(periods[index]) };
  return html`${rest > 0 ? html`<p class="muted">The ${NAMED_LINES} leading outcomes; the CSV has all.</p>` : nothing}
  ${dataTable("Probabilities, the newest first", [period, ...columns], [...periods.keys()].reverse())}`;
}

/** @param {import("../lib/listing.js").Rows<any>} rows @param {any} row Event. */
function outcomesView({ items, next, request, crawledAt }, row) {
  const panel = request ? requestPanel(request, `markets of ${ticker}`) : nothing;
  if (!items.length) {
    return html`${emptyView("The service has no markets of this event.", html`<a href="/explore">All markets</a>`)}${panel}`;
  }
  const state = readState();
  const order = chosenOrder(state.get("order"), items);
  const sum = row.mutually_exclusive && !next ? ` · probabilities add up to ${quantity(probabilitySum(items))}%` : "";
  return html`<p role="status">${quantity(items.length)}${next ? " first" : ""} outcomes${sum} · confirmed ${timeView(crawledAt ?? null)}</p>
    <div class="outcomes">${outcomeTable(inOrder(items, order), state, order)}</div>
    ${outcomes.moreView("More outcomes", "These are all outcomes.")} ${panel}`;
}

onStateChange(() => {
  show();
  followChoice();
});
everyMinute(async () => {
  const settled = outcomes.data?.items.every(({ status }) => status === "finalized");
  if (chartSeen && (!settled || candlesticks.error)) {
    candlesticks.reload();
  }
  if (outcomes.data && !settled && !outcomes.loadingMore) {
    await outcomes.reload();
    followChoice();
  }
});
loadAll();
