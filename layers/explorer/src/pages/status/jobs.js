/** Table of the crawler's jobs. */

import { dataTable } from "../../lib/data_table.js";
import { localTime, quantity } from "../../lib/format.js";
import { html, nothing } from "../../lib/html.js";
import { timeView } from "../../lib/market_views.js";
import { emptyView } from "../../lib/states.js";
import { HEALTH, jobHealth } from "./job_health.js";

const ABOUT = /** @type {Record<string, string>} */ ({
  archive: "Every archived market, once",
  "changed/created": "New markets",
  "changed/updated": "Edits of markets",
  counts: "Counts for facets and series",
  events: "Events of markets without a series",
  "events/changed": "New and edited events",
  limits: "The account's request rate",
  "live/closed": "Markets that are closed and not settled",
  "live/open": "Open markets: prices and volumes",
  "live/paused": "Paused markets",
  "live/unopened": "Markets that are not yet open",
  missing: "Markets that a complete pass did not see",
  rejects: "Markets that could not be stored",
  retention: "Deletion of old settled markets",
  series: "New and edited series",
  settled: "New settlements",
  "settled/backlog": "Earlier settlements, once",
  "settled/recheck": "Settlements of the last day, again",
});

/** @param {any[]} jobs Jobs of GET /status. */
export function jobsView(jobs) {
  if (jobs.length === 0) {
    return emptyView("No job has run yet. The crawler starts with the next minute.");
  }
  return html`${legend()}
  ${dataTable(
    "Jobs of the crawler",
    [
      { name: "Job", cell: jobCell },
      { name: "Health", cell: healthMark },
      { name: "Now", cell: (job) => html`<span class="position">${positionText(job)}</span>` },
      {
        name: "Lag",
        numeric: true,
        hint: "Time since the start of the last complete pass",
        cell: (job) => lagText(job.lag_seconds),
      },
      { name: "Finished", hint: "End of the last complete pass", cell: (job) => timeView(job.finished_at) },
      { name: "Markets", numeric: true, hint: "Markets read by all passes", cell: (job) => quantity(job.markets) },
      { name: "Added", numeric: true, cell: (job) => quantity(job.added) },
      { name: "Changed", numeric: true, cell: (job) => quantity(job.changed) },
      { name: "Rejected", numeric: true, cell: (job) => quantity(job.rejected) },
      { name: "Error", cell: errorCell },
    ],
    jobs,
  )}`;
}

/**
 * Return the position of a job's pass in words.
 *
 * @param {any} job
 */
function positionText({ running, position, confirmed_at: confirmedAt }) {
  if (!running) {
    return confirmedAt ? "idle" : "waiting for its turn";
  }
  const parts = [
    position.pages === undefined ? "" : `${quantity(position.pages)} pages read`,
    position.series ? `series ${position.series}` : "",
    windowText(position),
  ];
  return parts.filter(Boolean).join(", ") || "reading its first page";
}

/** @param {any} position */
function windowText({ from, to, since, until }) {
  if (from && to) {
    return `settlements from ${localTime(from)} to ${localTime(to)}${until ? `, up to ${localTime(until)}` : ""}`;
  }
  return since ? `changes from ${localTime(since)}${until ? ` to ${localTime(until)}` : ""}` : "";
}

function legend() {
  return html`<dl class="legend">
    ${Object.entries(HEALTH).map(
      ([name, { label, about }]) =>
        html`<div>
          <dt><span class="mark" data-health=${name}>${label}</span></dt>
          <dd>${about}</dd>
        </div>`,
    )}
  </dl>`;
}

/** @param {any} job */
function jobCell({ job }) {
  return html`<code>${job}</code><small>${ABOUT[job] ?? nothing}</small>`;
}

/** @param {any} job */
function healthMark(job) {
  const name = jobHealth(job);
  return html`<span class="mark" data-health=${name}>${HEALTH[name].label}</span>`;
}

/** @param {any} job */
function errorCell({ last_error: lastError, failed_at: failedAt, retry_at: retryAt }) {
  if (lastError === null) {
    return "–";
  }
  return html`<span class="error">${lastError}</span>
    <small>failed ${timeView(failedAt)}; next request ${retryAt ? timeView(retryAt) : "in the next run"}</small>`;
}

/** Return a lag such as 40 s, 12 min or 3.5 h. @param {number | null} seconds */
function lagText(seconds) {
  if (seconds === null) {
    return "–";
  }
  if (seconds < 120) {
    return `${Math.round(seconds)} s`;
  }
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${quantity(Math.round(seconds / 360) / 10)} h`;
}
