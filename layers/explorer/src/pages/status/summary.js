/** Summary of the status: answers to "is it complete?" and "since when?". */

import { quantity } from "../../lib/format.js";
import { html, nothing } from "../../lib/html.js";
import { timeView } from "../../lib/market_views.js";
import { HEALTH, jobHealth } from "./job_health.js";

/** @param {any} status Response of GET /status. */
export function summaryView(status) {
  return html`${status.live.finished_at ? nothing : firstCrawlProgress(status)}
    <p class="hidden" role="status">The live markets are ${status.live.complete ? "complete" : "incomplete"}.</p>
    <div class="cards">
      <section class="card" data-health=${status.live.complete ? "ok" : "late"}>
        <h2>Live markets</h2>
        ${liveView(status)}
      </section>
      <section class="card" data-health=${status.archive.complete ? "ok" : "late"}>
        <h2>Archive</h2>
        ${archiveView(status.archive)}
      </section>
      <section class="card">
        <h2>Crawler</h2>
        ${crawlerView(status)}
      </section>
    </div>`;
}

/** @param {any} status */
function firstCrawlProgress({ jobs, markets }) {
  const live = jobs.filter((/** @type {any} */ job) => job.job.startsWith("live/"));
  const complete = live.filter((/** @type {any} */ job) => job.confirmed_at).length;
  const pages = jobs.reduce((/** @type {number} */ sum, /** @type {any} */ job) => sum + (job.position?.pages ?? 0), 0);
  return html`<div class="notice" id="first-crawl">
    <strong>The first crawl is running.</strong>
    <label>
      ${quantity(complete)} of 4 listings of live markets are complete.
      <progress max="4" value=${complete}></progress>
    </label>
    <span>${quantity(markets)} markets are stored. The running passes have read ${quantity(pages)} pages.</span>
    <span>Results are incomplete until then; everything that is stored can be queried already.</span>
  </div>`;
}

/** @param {any} status */
function liveView({ live, markets, removed }) {
  const state = live.complete
    ? html`<strong>Complete.</strong> All markets that are not settled were last confirmed ${timeView(live.started_at)}.`
    : live.finished_at
      ? html`<strong>Incomplete:</strong> a listing failed since the last complete pass. The data before it stays available.`
      : html`<strong>Incomplete:</strong> not every listing has been read to its end yet.`;
  return html`<p>${state}</p>
    ${live.finished_at ? html`<p>The latest complete pass ended ${timeView(live.finished_at)}.</p>` : nothing}
    <p>
      <a href="/explore">${quantity(markets)} markets</a> are stored.
      ${removed ? html`${quantity(removed)} of them are no longer on the exchange and keep their last status.` : nothing}
    </p>`;
}

/** @param {any} archive */
function archiveView({ complete, completed_by: completedBy, confirmed_at: confirmedAt }) {
  if (!complete) {
    return html`<p>
      <strong>Incomplete:</strong> ${confirmedAt ? "markets were archived since it was read; it is read again." : "it is read with the capacity that the live markets leave."}
    </p>`;
  }
  const how =
    completedBy === "series"
      ? "Its series had more markets than its listing; all of them are stored."
      : "Its listing had every market of its series.";
  return html`<p><strong>Complete.</strong> The archive was read to its end; the pass began ${timeView(confirmedAt)}.</p>
    ${completedBy ? html`<p>${how}</p>` : nothing}`;
}

/** @param {any} status */
function crawlerView({ jobs, rejects, drift }) {
  const numbers = Object.keys(HEALTH).map((name) => ({
    name,
    count: jobs.filter((/** @type {any} */ job) => jobHealth(job) === name).length,
  }));
  const committed = jobs.map((/** @type {any} */ job) => job.committed_at).filter(Boolean);
  return html`<p>
      ${numbers
        .filter(({ count }) => count > 0)
        .map(({ name, count }) => html`<span class="mark" data-health=${name}>${count} ${HEALTH[name].label}</span> `)}
    </p>
    <p>${committed.length ? html`Last commit ${timeView(committed.sort().at(-1))}.` : "No job has committed anything yet."}</p>
    <p>
      ${rejects.count ? `${quantity(rejects.count)} rejected markets.` : "No rejected market."}
      ${drift.length ? `${quantity(drift.length)} changes of the exchange's objects.` : "No change of the exchange's objects."}
    </p>`;
}
