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
import { plainText, seriesPath } from "../lib/market_views.js";
import { chosenOrder, inOrder, OUTCOME_FIELDS, outcomeTable, probabilitySum } from "../lib/outcomes.js";
import { breadcrumb, exchangeLink, notFoundView } from "../lib/page_parts.js";
import { requestPanel } from "../lib/request_panel.js";
import { everyMinute, Section, whenSeen } from "../lib/section.js";
import { emptyView, failureView, firstCrawlView, loadingView } from "../lib/states.js";
import { goTo, onStateChange, pathParameter, readState, stateUrl } from "../lib/url_state.js";

/** @typedef {import("../lib/event_chart.js").Answer} Answer */

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
const lines = new Section(loadChart, show);
let chartSeen = false;
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
}

function chosen() {
  return chosenLines(outcomes.data?.items ?? [], event.data?.mutually_exclusive === true, readState());
}

/** @param {AbortSignal} signal */
async function loadChart(signal) {
  const choice = chosen();
  return choice && (await loadLines(choice, signal));
}

/** @param {unknown} error */
function isNotFound(error) {
  return error instanceof ApiFailure && error.status === 404;
}

function show() {
  if (isNotFound(outcomes.error) && !outcomes.data && event.data === null) {
    render(notFoundView("event", ticker, crawl.data ? firstCrawlView(crawl.data) : null), main);
    return;
  }
  const first = outcomes.data?.items[0];
  const loading = event.data === null && !first;
  render(loading ? loadingView(30) : event.view((row) => pageView(row ?? eventOfMarket(first)), 30), main);
  const chart = document.getElementById("chart");
  if (chart && outcomes.data?.items.length && !chartSeen) {
    chartSeen = true;
    whenSeen(chart, () => lines.reload());
  }
}

/** Return what a market says of its event, for an event that is not stored yet. @param {any} market */
function eventOfMarket({ event_title: title, series_ticker }) {
  return { event_ticker: ticker, title, series_ticker };
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
  const choice = outcomes.data ? chosen() : undefined;
  if (choice === null) {
    return emptyView("No outcome has opened yet, so there are no prices.");
  }
  const state = readState();
  const controls = choice
    ? html`${rangeLinks(state, choice.range)} <span class="label">Interval: ${choice.interval.about}</span>`
    : nothing;
  const panel = choice
    ? requestPanel(choice.request, `candlesticks of ${ticker}`, {
        csv: () => (lines.data ? linesCsv(lines.data) : ""),
        list: "results",
      })
    : nothing;
  return html`<div class="choices">${controls}</div>
    ${choice?.left ? leftView(choice, state) : nothing}
    <div class="chart-space">
      ${
        choice && lines.error && !isShown(choice)
          ? failureView(lines.error, () => lines.reload())
          : lines.view(chartView, 20)
      }
    </div>
    ${panel}`;
}

/** @param {import("../lib/event_chart.js").Choice} choice @param {URLSearchParams} state */
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

/** Return whether the lines are those of a choice. @param {ReturnType<typeof chosen>} choice */
function isShown(choice) {
  const shown = lines.data?.choice;
  return shown?.range === choice?.range && shown?.markets.length === choice?.markets.length;
}

/** @param {Answer | null} answer */
function chartView(answer) {
  const choice = chosen();
  const same = isShown(choice);
  if (drawn.source !== answer) {
    drawn = { source: answer, chart: answer && toLineData(answer) };
  }
  if (!answer || !drawn.chart) {
    return emptyView(
      "The exchange has no candlesticks of this period: nobody traded, and there were no bids and asks.",
    );
  }
  const chart = drawn.chart;
  return html`${answer.unanswered.length ? unansweredView(answer) : nothing}
    <div aria-busy=${!same}><line-chart .data=${chart}></line-chart></div>
    <details class="chart-data" @toggle=${toggleTable}>
      <summary>Table of the chart</summary>
      ${tableOpen ? lineTable(chart) : nothing}
    </details>`;
}

/** @param {Answer} answer */
function unansweredView({ unanswered }) {
  return html`<div class="notice" role="status">
    <span>The exchange has not sent ${quantity(unanswered.length)} of the outcomes in time; they have no line.</span>
    <button type="button" @click=${() => lines.reload()}>Retry</button>
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
function outcomesView({ items, next, request }, row) {
  const panel = request ? requestPanel(request, `markets of ${ticker}`) : nothing;
  if (!items.length) {
    return html`${emptyView("The service has no markets of this event.", html`<a href="/explore">All markets</a>`)}${panel}`;
  }
  const state = readState();
  const order = chosenOrder(state.get("order"), items);
  const sum = row.mutually_exclusive && !next ? ` · probabilities add up to ${quantity(probabilitySum(items))}%` : "";
  return html`<p role="status">${quantity(items.length)}${next ? " first" : ""} outcomes${sum}</p>
    <div class="outcomes">${outcomeTable(inOrder(items, order), state, order)}</div>
    ${outcomes.moreView("More outcomes", "These are all outcomes.")} ${panel}`;
}

async function start() {
  show();
  await Promise.all([event.reload(), outcomes.reload()]);
  const title = event.data?.title || outcomes.data?.items[0]?.event_title;
  document.title = `${plainText(title) || (isNotFound(outcomes.error) ? "Event not found" : ticker)} · Kalshi Markets`;
  if (isNotFound(outcomes.error) && event.data === null) {
    crawl.reload();
  }
}

onStateChange(() => {
  const wanted = JSON.stringify(chosen()?.request);
  show();
  if (lines.data !== undefined && wanted !== JSON.stringify(lines.data?.choice.request)) {
    lines.reload();
  }
});
everyMinute(() => {
  const settled = outcomes.data?.items.every(({ status }) => status === "finalized") ?? true;
  if (!settled && outcomes.data && !outcomes.loadingMore) {
    outcomes.reload();
    if (lines.data !== undefined) {
      lines.reload();
    }
  }
});
start();
