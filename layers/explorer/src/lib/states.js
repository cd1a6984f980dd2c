/** Views of what is not data: loading, failures, and results that are empty. Each says why and what to do. */

import { ApiFailure } from "./api.js";
import { quantity } from "./format.js";
import { html, nothing } from "./html.js";

const FAILURES = /** @type {Record<string, string>} */ ({
  network: "The service did not respond",
  too_many_requests: "Too many requests",
  exchange_unavailable: "The exchange is unavailable",
  database_busy: "The database has no free connection",
  database_unavailable: "The database is unavailable",
  query_timeout: "The query took too long",
  unauthorized: "Not authorized",
});

/**
 * Return a placeholder of a height.
 *
 * @param {number} lines Height in lines of text.
 */
export function loadingView(lines) {
  const block = html`<div class="line"></div>`;
  return html`<div class="loading" role="status"><span class="hidden">Loading</span>${Array(lines).fill(block)}</div>`;
}

/**
 * Return the view of a failed request.
 *
 * @param {unknown} error
 * @param {(() => void) | null} retry Sends the request again. Null: there is no button.
 * @param {{compact?: boolean}} [options] compact: one line above data that is still shown.
 */
export function failureView(error, retry, { compact = false } = {}) {
  const failure =
    error instanceof ApiFailure ? error : new ApiFailure(0, "page", String(error), "Reload the page.", "");
  const heading = FAILURES[failure.code] ?? (failure.status === 404 ? "Not found" : "The request failed");
  return html`<div class="failure ${compact ? "compact" : ""}" role="alert" data-code=${failure.code}>
    <strong>${heading}.</strong>
    <span>${failure.message}</span>
    ${failure.hint ? html`<span>${failure.hint}</span>` : nothing}
    ${retry ? html`<button type="button" @click=${retry}>Retry</button>` : nothing}
    ${failure.requestId ? html`<small>Request ${failure.requestId}</small>` : nothing}
  </div>`;
}

/**
 * Return the view of a result without rows.
 *
 * @param {string} reason Sentence that says why there is nothing.
 * @param {unknown} [next] View of what to do, such as links.
 */
export function emptyView(reason, next = nothing) {
  return html`<div class="empty" role="status"><p>${reason}</p>${next}</div>`;
}

/**
 * Return the view of a first crawl that is running, or null if all listings of live markets were read once.
 *
 * @param {any} status Response of GET /status.
 */
export function firstCrawlView(status) {
  if (status.live.finished_at) {
    return null;
  }
  const pages = status.jobs.reduce(
    (/** @type {number} */ sum, /** @type {any} */ job) => sum + (job.position?.pages ?? 0),
    0,
  );
  const progress = pages ? ` Its running passes have read ${quantity(pages)} pages.` : "";
  return html`<div class="notice" role="status" id="first-crawl">
    <strong>The first crawl is running.</strong>
    <span>${quantity(status.markets)} markets are stored; more arrive every second.${progress}</span>
    <a href="/explore/status">Progress</a>
  </div>`;
}
