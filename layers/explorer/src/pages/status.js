/** Page of the data's freshness and completeness, by status and by job of the crawler. */

import { send } from "../lib/api.js";
import { dataTable } from "../lib/data_table.js";
import { quantity } from "../lib/format.js";
import { html, nothing, render } from "../lib/html.js";
import { marketPath, timeView } from "../lib/market_views.js";
import { csvText, requestPanel } from "../lib/request_panel.js";
import { everyMinute, Section } from "../lib/section.js";
import { emptyView } from "../lib/states.js";
import { jobsView } from "./status/jobs.js";
import { statusChart } from "./status/status_chart.js";
import { summaryView } from "./status/summary.js";

const REQUEST = { path: "/status" };
const DRIFT_WORDS = /** @type {Record<string, string>} */ ({
  added: "new field",
  removed: "missing field",
  type_changed: "another type",
  new_value: "new value",
});
const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const status = new Section(async (signal) => {
  const { data } = await send(REQUEST, signal);
  return { ...data, loadedAt: new Date().toISOString() };
}, update);

document.title = "Status – Kalshi Markets";
status.reload();
everyMinute(() => status.reload());

function update() {
  render(
    html`<h1>Status</h1>
      <p class="muted">
        How fresh and how complete the stored markets are.
        ${status.data ? html`Loaded ${timeView(status.data.loadedAt)}, refreshed once a minute while this tab is visible.` : nothing}
      </p>
      ${status.view(statusView, 40)}`,
    main,
  );
}

/** @param {any} data Response of GET /status. */
function statusView(data) {
  return html`${summaryView(data)}
    <h2>Markets by status</h2>
    ${statusChart(data)}
    ${requestPanel(REQUEST, "markets by status", { csv: () => recordsCsv(data.statuses), list: "statuses" })}
    <h2>Jobs of the crawler</h2>
    ${jobsView(data.jobs)}
    ${requestPanel(REQUEST, "jobs", { csv: () => recordsCsv(data.jobs), list: "jobs" })}
    <h2>Rejected markets</h2>
    ${rejectsView(data.rejects)}
    <h2>Changes of the exchange's objects</h2>
    ${driftView(data.drift)}`;
}

/** @param {any} rejects */
function rejectsView({ count, newest }) {
  if (count === 0) {
    return emptyView("Every market that the crawler read is stored.");
  }
  const columns = [
    {
      name: "Market",
      cell: (/** @type {any} */ row) => html`<a href=${marketPath(row.ticker)}><bdi>${row.ticker}</bdi></a>`,
    },
    { name: "Reason", wide: true, cell: (/** @type {any} */ row) => row.reason },
    { name: "Last attempt", cell: (/** @type {any} */ row) => timeView(row.last_at) },
  ];
  return html`<p>${quantity(count)} markets could not be stored. They are requested again every hour. The newest of them:</p>
    ${dataTable("Rejected markets", columns, newest)}
    ${requestPanel(REQUEST, "rejected markets", { csv: () => recordsCsv(newest), list: "rejects.newest" })}`;
}

/** @param {any[]} drift */
function driftView(drift) {
  if (drift.length === 0) {
    return emptyView("The exchange's objects have exactly the fields and values that its documentation lists.");
  }
  const columns = [
    { name: "Field", cell: (/** @type {any} */ row) => html`<code>${row.member}</code>` },
    { name: "Change", cell: (/** @type {any} */ row) => DRIFT_WORDS[row.change] ?? row.change },
    { name: "Objects", numeric: true, cell: (/** @type {any} */ row) => quantity(row.markets) },
    {
      name: "Example",
      wide: true,
      cell: (/** @type {any} */ row) => html`<code>${JSON.stringify(row.example)}</code>`,
    },
    { name: "First", optional: true, cell: (/** @type {any} */ row) => timeView(row.first_at) },
    { name: "Last", cell: (/** @type {any} */ row) => timeView(row.last_at) },
  ];
  return html`<p>Differences between the exchange's objects and their documentation. No data is lost by a new field or value.</p>
    ${dataTable("Changes of the exchange's objects", columns, drift)}
    ${requestPanel(REQUEST, "changes of objects", { csv: () => recordsCsv(drift), list: "drift" })}`;
}

/** Return objects of equal members as CSV. @param {any[]} records */
function recordsCsv(records) {
  const names = Object.keys(records[0] ?? {});
  const text = (/** @type {any} */ value) =>
    value !== null && typeof value === "object" ? JSON.stringify(value) : value;
  return csvText(
    names,
    records.map((record) => names.map((name) => text(record[name]))),
  );
}
