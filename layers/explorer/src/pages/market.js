/** Page of one market: its price now and then, its order book and trades, its event, its rules. */

import { send } from "../lib/api.js";
import { candleData, centsText } from "../lib/candle_chart.js";
import {
  chosenInterval,
  chosenRange,
  lifetime,
  marketRequest,
  periodText,
  permittedIntervals,
  rangeWindow,
  toCandle,
} from "../lib/candlesticks.js";
import { intervalLinks, rangeLinks } from "../lib/chart_controls.js";
import { dataTable } from "../lib/data_table.js";
import { quantity } from "../lib/format.js";
import { html, nothing, render } from "../lib/html.js";
import { Listing, loadRows, rowLimit } from "../lib/listing.js";
import { factsView, headerView, historyView, rulesView } from "../lib/market_parts.js";
import {
  eventPath,
  MARKET_FIELDS,
  plainText,
  probabilityView,
  quoteView,
  statusBadge,
  statusLabel,
  timeView,
} from "../lib/market_views.js";
import { outcomeLink } from "../lib/outcome_link.js";
import { notFoundView } from "../lib/page_parts.js";
import { csvText, requestPanel } from "../lib/request_panel.js";
import { everyMinute, Section, whenSeen } from "../lib/section.js";
import { emptyView, failureView, firstCrawlView } from "../lib/states.js";
import { orderBookCsv, orderBookView, tradesView } from "../lib/trading.js";
import { goTo, onStateChange, pathParameter, readState, stateUrl } from "../lib/url_state.js";

/** @typedef {import("../lib/api.js").ApiRequest} ApiRequest */
/** @typedef {import("../lib/candlesticks.js").Candle} Candle */

const OTHERS = 50;
const TRADES = 20;
const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const ticker = pathParameter();
const path = `/markets/${encodeURIComponent(ticker)}`;
/** @type {ApiRequest} */ const marketApi = { path: "/markets", parameters: { ticker, fields: "all" } };
/** @type {ApiRequest} */ const historyApi = { path: `${path}/history` };
/** @type {ApiRequest} */ const bookApi = { path: `${path}/orderbook`, parameters: { depth: 100 } };

const market = new Section(loadMarket, show);
const history = new Section(async (signal) => (await send(historyApi, signal)).data, show);
const crawl = new Section(async (signal) => (await send({ path: "/status" }, signal)).data, show);
const others = new Section(async (signal) => (await send(othersApi(), signal)).data.items, show);
const book = new Section(async (signal) => (await send(bookApi, signal)).data.orderbook, show);
/** @type {Listing<any>} */
const trades = new Listing((cursor, signal) => loadRows(tradesApi(), cursor, TRADES, signal), show, grown);
const candles = new Section(loadCandles, show);
/** @type {Set<string>} Ids of the elements that are observed. */ const observed = new Set();
/** @type {Set<string>} Ids of the elements that were seen. */ const seen = new Set();
/** @type {string | undefined} Key of the choice that was requested last, whether or not its response has arrived. */
let requestedKey;
/** @type {string | null} Time of the crawler's last confirmation before the market was loaded. */
let crawledAt = null;
let allLevels = false;
let tableOpen = false;
/** @type {{candles: unknown, history: unknown, chart: import("../lib/candle_chart.js").CandleData | undefined}} */
let drawn = { candles: undefined, history: undefined, chart: undefined };

/** Return what the chart is to show by the URL; null if the market has not opened yet. @param {any} row Market. */
function presentChoice(row) {
  const life = lifetime(row, Date.now());
  if (life === null) {
    return null;
  }
  const state = readState();
  const range = chosenRange(state.get("range"), life, isClosed(row));
  const span = rangeWindow(range, life);
  const interval = chosenInterval(state.get("interval"), span);
  return {
    key: `${range.name}/${interval.minutes}`,
    range,
    interval,
    permitted: permittedIntervals(span),
    request: marketRequest(ticker, span, interval.minutes),
  };
}

/** @param {AbortSignal} signal */
async function loadMarket(signal) {
  const { data, crawledAt: time } = await send(marketApi, signal);
  crawledAt = time;
  return data.items[0] ?? null;
}

/** @param {AbortSignal} signal */
async function loadCandles(signal) {
  const choice = presentChoice(market.data);
  requestedKey = choice?.key;
  if (choice === null) {
    return null;
  }
  const { data } = await send(choice.request, signal);
  const items = data.candlesticks.map((/** @type {any} */ item) => toCandle(item, choice.interval.minutes));
  return { choice, items: /** @type {Candle[]} */ (items) };
}

/** @returns {ApiRequest} */
function tradesApi() {
  return { path: `${path}/trades`, parameters: { limit: rowLimit(readState(), "trades", TRADES) } };
}

/** @param {number} count Number of trades. */
function grown(count) {
  goTo(stateUrl(readState(), { trades: count }), { replace: true });
}

/** @returns {ApiRequest} */
function othersApi() {
  const event = encodeURIComponent(market.data.event_ticker);
  return { path: `/events/${event}/markets`, parameters: { fields: MARKET_FIELDS, limit: OTHERS } };
}

/** Return whether the market's trading is over. @param {any} row Market. */
function isClosed({ status, close_time }) {
  return (
    ["closed", "determined", "disputed", "amended", "finalized"].includes(status) || Date.parse(close_time) < Date.now()
  );
}

function show() {
  if (market.data === null) {
    document.title = "Market not found · Kalshi Markets";
    render(notFoundView("market", ticker, crawl.data ? firstCrawlView(crawl.data) : null), main);
    crawl.loadOnce();
    return;
  }
  render(market.view(pageView, 30), main);
  if (market.data) {
    document.title = `${plainText(market.data.title) || ticker} · Kalshi Markets`;
    history.loadOnce();
    others.loadOnce();
    observe("chart", candles);
    observe("book", book);
    observe("trades", trades);
  }
}

/** Load a section once, when its element is first seen. @param {string} id @param {Section<any>} section */
function observe(id, section) {
  const element = document.getElementById(id);
  if (element && !observed.has(id)) {
    observed.add(id);
    whenSeen(element, () => {
      seen.add(id);
      section.reload();
    });
  }
}

/** @param {any} row Market. */
function pageView(row) {
  return html`
    ${headerView(row)}
    ${factsView(row)}
    <p class="muted">Stored prices, confirmed ${timeView(crawledAt)}.</p>
    ${requestPanel(marketApi, `market ${ticker}`)}
    ${row.removed_at ? nothing : tradingView(row)}
    <section aria-labelledby="others-heading">
      <h2 id="others-heading">Other markets of the event</h2>
      ${others.view((rows) => othersView(row, rows), 12)}
    </section>
    <section aria-labelledby="history-heading">
      <h2 id="history-heading">States</h2>
      ${history.view((data) => historyView(data, row), 3)} ${requestPanel(historyApi, `states of ${ticker}`, { csv: historyCsv })}
    </section>
    <section aria-labelledby="rules-heading">
      <h2 id="rules-heading">Rules</h2>
      ${rulesView(row)}
    </section>
  `;
}

/** Return the views that the exchange fills. @param {any} row Market. */
function tradingView(row) {
  return html`<section id="chart" aria-labelledby="chart-heading">
      <h2 id="chart-heading">Price history</h2>
      ${chartSection(row)}
    </section>
    <div class="cards columns">
      ${
        row.status === "finalized"
          ? nothing
          : html`<section id="book" aria-labelledby="book-heading">
              <h2 id="book-heading">Order book</h2>
              ${book.view(bookSection, 16)}
            </section>`
      }
      <section id="trades" aria-labelledby="trades-heading">
        <h2 id="trades-heading">Last trades</h2>
        ${trades.view(tradesSection, 16)}
        ${requestPanel(trades.data?.request ?? tradesApi(), `trades of ${ticker}`)}
      </section>
    </div>`;
}

function historyCsv() {
  const names = ["from", "until", "status", "result", "close_time", "change_number"];
  const rows = (history.data?.items ?? []).map((/** @type {any} */ item) => names.map((name) => item[name]));
  return csvText(names, rows);
}

/** @param {any} row Market. */
function chartSection(row) {
  const choice = presentChoice(row);
  if (choice === null) {
    return emptyView("The market has not opened yet, so it has no prices.");
  }
  const state = readState();
  const hasFailed = Boolean(candles.error) && !isShown(choice);
  const shown = hasFailed ? null : candles.data;
  return html`<div class="choices">
      ${rangeLinks(state, choice.range)} ${intervalLinks(state, choice.interval, choice.permitted)}
    </div>
    <div class="chart-space">
      ${
        hasFailed
          ? failureView(candles.error, () => candles.reload())
          : candles.view((data) => chartView(row, data), 20)
      }
    </div>
    ${requestPanel(shown?.choice.request ?? choice.request, `candlesticks of ${ticker}`, { list: "candlesticks" })}`;
}

/** Return whether the chart shows a choice. @param {ReturnType<typeof presentChoice>} choice */
function isShown(choice) {
  return candles.data?.choice.key === choice?.key;
}

/** @param {any} row Market. @param {Awaited<ReturnType<typeof loadCandles>>} data */
function chartView(row, data) {
  if (!data?.items.length) {
    return emptyView(
      "The exchange has no candlesticks of this period: nobody traded, and there were no bids and asks.",
    );
  }
  if (drawn.candles !== data || drawn.history !== history.data) {
    const chart = candleData(data.choice.key, data.items, marks(row));
    drawn = { candles: data, history: history.data, chart };
  }
  return html`<div aria-busy=${!isShown(presentChoice(row))}><candle-chart .data=${drawn.chart}></candle-chart></div>
    <details class="chart-data" @toggle=${toggleTable}>
      <summary>Table of the chart</summary>
      ${tableOpen ? candleTable(data.items) : nothing}
    </details>`;
}

/** @param {Event} event */
function toggleTable(event) {
  tableOpen = /** @type {HTMLDetailsElement} */ (event.currentTarget).open;
  show();
}

/** @param {Candle[]} items */
function candleTable(items) {
  const cell = (/** @type {string} */ name, /** @type {(candle: Candle) => unknown} */ view) => ({
    name,
    cell: view,
    numeric: true,
  });
  return dataTable(
    "Candlesticks, the newest first",
    [
      { name: "Period", cell: periodText },
      cell("Open", ({ open }) => centsText(open)),
      cell("High", ({ high }) => centsText(high)),
      cell("Low", ({ low }) => centsText(low)),
      cell("Close", ({ close }) => centsText(close)),
      cell("Volume", ({ volume, filled }) => (filled ? "no trade" : quantity(volume))),
      cell("Bid", ({ bid }) => centsText(bid)),
      cell("Ask", ({ ask }) => centsText(ask)),
    ],
    [...items].reverse(),
  );
}

/** Return the texts above the candles: changes of the status, and the close. @param {any} row Market. */
function marks(row) {
  const seconds = (/** @type {string} */ time) => Date.parse(time) / 1000;
  const changes = (history.data?.items ?? []).slice(1).map((/** @type {any} */ state) => ({
    time: seconds(state.from),
    text: statusLabel(state.status),
  }));
  return isClosed(row) ? [...changes, { time: seconds(row.close_time), text: "close" }] : changes;
}

/** @param {any} data Order book. */
function bookSection(data) {
  const showAll = () => {
    allLevels = true;
    show();
  };
  return html`${orderBookView(data, allLevels, showAll)}
  ${requestPanel(bookApi, `order book of ${ticker}`, { csv: () => orderBookCsv(data), list: "orderbook" })}`;
}

/** @param {import("../lib/listing.js").Rows<any>} rows */
function tradesSection({ items, next }) {
  if (!items.length && !next) {
    return emptyView("Nobody has traded this market yet.");
  }
  return tradesView(items, trades.moreView("More trades", "These are all trades."));
}

/** @param {any} row Market. @param {any[]} rows Markets of its event. */
function othersView(row, rows) {
  const siblings = rows.filter((sibling) => sibling.ticker !== ticker);
  const panel = requestPanel(othersApi(), `markets of ${row.event_ticker}`);
  if (!siblings.length) {
    return html`${emptyView("This is the only market of its event.")}${panel}`;
  }
  const columns = [
    { name: "Outcome", cell: outcomeLink, wide: true },
    { name: "Probability", cell: probabilityView },
    { name: "Bid / ask", cell: quoteView, numeric: true },
    { name: "Volume", cell: (/** @type {any} */ { volume }) => quantity(volume), numeric: true, optional: true },
    { name: "Status", cell: statusBadge, optional: true },
  ];
  return html`<div class="others">${dataTable("Table of the other markets of the event", columns, siblings)}</div>
    <p><a href=${eventPath(row.event_ticker)}>${rows.length < OTHERS ? "Compare them" : `All outcomes; these are the first ${OTHERS}`} on the page of the event</a></p>
    ${panel}`;
}

onStateChange(() => {
  show();
  if (market.data && seen.has("chart") && presentChoice(market.data)?.key !== requestedKey) {
    candles.reload();
  }
});
everyMinute(() => {
  if (!market.data || market.data.status === "finalized") {
    return;
  }
  market.reload();
  for (const [id, section] of Object.entries({ chart: candles, book })) {
    if (seen.has(id)) {
      section.reload();
    }
  }
  if (seen.has("trades") && !trades.loadingMore) {
    trades.reload();
  }
});
market.reload();
