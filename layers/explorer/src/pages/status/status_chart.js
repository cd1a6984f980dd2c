/** Bar chart of the numbers of markets by status: a table whose bars are decoration. */

import { quantity } from "../../lib/format.js";
import { html, svg } from "../../lib/html.js";
import { statusLabel, timeView } from "../../lib/market_views.js";
import { emptyView } from "../../lib/states.js";

/** @param {any} status Response of GET /status. */
export function statusChart({ statuses, markets }) {
  if (statuses.length === 0) {
    return emptyView("No market is stored yet.");
  }
  const largest = Math.max(...statuses.map((/** @type {any} */ each) => each.count));
  return html`<div class="table-scroll" tabindex="0" role="region" aria-label="Markets by status">
    <table class="chart">
      <caption class="hidden">
        Markets by status
      </caption>
      <thead>
        <tr>
          <th scope="col">Status</th>
          <th scope="col" class="numeric">Markets</th>
          <th scope="col" class="numeric">Share</th>
          <th scope="col" class="bar"><span class="hidden">Bar</span></th>
          <th scope="col" title="All markets of this status were confirmed since then">Confirmed</th>
        </tr>
      </thead>
      <tbody>
        ${statuses.map((/** @type {any} */ each) => rowView(each, markets, largest))}
      </tbody>
    </table>
  </div>`;
}

/** @param {any} row @param {number} total @param {number} largest */
function rowView({ status, count, confirmed_at: confirmedAt }, total, largest) {
  const filter = status === null ? "status__isnull=true" : `status=${encodeURIComponent(status)}`;
  return html`<tr>
    <th scope="row">
      <a href="/explore?${filter}">${statusLabel(status)}</a>
      ${status && statusLabel(status) !== status ? html`<code>${status}</code>` : ""}
    </th>
    <td class="numeric">${quantity(count)}</td>
    <td class="numeric">${shareText(count, total)}</td>
    <td class="bar" aria-hidden="true">
      <svg viewBox="0 0 100 1" preserveAspectRatio="none" data-status=${status ?? ""}>
        ${svg`<rect width=${Math.max((100 * count) / largest, 0.3)} height="1"></rect>`}
      </svg>
    </td>
    <td>${timeView(confirmedAt)}</td>
  </tr>`;
}

/** Return a share in per cent, such as 12.3% or <0.1%. @param {number} count @param {number} total */
function shareText(count, total) {
  const share = (100 * count) / total;
  return count && share < 0.1 ? "<0.1%" : `${quantity(Math.round(share * 10) / 10)}%`;
}
