/** Facts of a series: category, tags, fees, sources, contracts and market counts. */

import { quantity } from "../../lib/format.js";
import { html } from "../../lib/html.js";
import { statusLabel, timeView } from "../../lib/market_views.js";

/** Order of the statuses in a market's life. */
const STATUSES = ["initialized", "active", "inactive", "closed", "determined", "disputed", "amended", "finalized"];

/**
 * Return the view of a series' facts.
 *
 * @param {any} series Item of GET /series with all fields.
 */
export function factsView(series) {
  const { categories, tags, frequency, fee_type: feeType, fee_multiplier: feeMultiplier } = series;
  return html`<dl class="facts">
      ${fact("Categories", categories?.length ? listView(categories, categoryLink) : null)}
      ${fact("Tags", tags?.length ? listView(tags, (tag) => html`<bdi>${tag}</bdi>`) : null)}
      ${fact("Frequency", frequency?.replaceAll("_", " "))}
      ${fact("Fees", feeType && html`${feeType.replaceAll("_", " ")}<small>multiplier ${quantity(feeMultiplier)}</small>`)}
      ${fact("Last edited", series.last_updated_ts && timeView(series.last_updated_ts))}
      ${fact("Volume 24 h", series.market_counts && html`${quantity(series.market_counts.volume_24h)}<small>contracts, of markets that are not settled</small>`)}
    </dl>
    ${countsView(series)}
    <div class="cards">
      <section class="card">
        <h2>Settlement sources</h2>
        ${sourcesView(series.settlement_sources)}
      </section>
      <section class="card">
        <h2>Contract</h2>
        <ul>
          <li>${externalLink(series.contract_url, "Original filing")}</li>
          <li>${externalLink(series.contract_terms_url, "Current terms")}</li>
        </ul>
      </section>
    </div>`;
}

/**
 * Return the facts of a series as rows of a CSV: names and values.
 *
 * @param {any} series
 */
export function factRows(series) {
  return Object.entries(series).map(([name, value]) => [
    name,
    value !== null && typeof value === "object" ? JSON.stringify(value) : value,
  ]);
}

/** @param {string} name @param {unknown} value */
function fact(name, value) {
  return html`<div>
    <dt>${name}</dt>
    <dd>${value || "–"}</dd>
  </div>`;
}

/** @param {any[]} values @param {(value: any) => unknown} view */
function listView(values, view) {
  return html`<ul class="inline">${values.map((value) => html`<li>${view(value)}</li>`)}</ul>`;
}

/** @param {string} category */
function categoryLink(category) {
  return html`<a href="/explore/series?category=${encodeURIComponent(category)}"><bdi>${category}</bdi></a>`;
}

/** @param {any} series */
function countsView({ series_ticker: ticker, market_counts: counts }) {
  if (!counts) {
    return html`<p class="muted">
      The markets of this series are not counted: it has none, or the first count is still to come.
    </p>`;
  }
  const query = `/explore?series_ticker=${encodeURIComponent(ticker)}`;
  const present = STATUSES.filter((status) => counts.by_status[status]);
  return html`<p class="counts">
    <a class="button" href=${query}>${quantity(counts.markets)} markets</a>
    ${present.map((status) => html`<a class="button" href="${query}&status=${status}">${quantity(counts.by_status[status])} ${statusLabel(status)}</a>`)}
    <span class="muted">counted ${timeView(counts.counted_at)}</span>
  </p>`;
}

/** @param {any} sources */
function sourcesView(sources) {
  return Array.isArray(sources) && sources.length
    ? html`<ul>${sources.map(({ name, url }) => html`<li>${externalLink(url, name || url)}</li>`)}</ul>`
    : html`<p class="muted">The exchange names none.</p>`;
}

/** Return a link to another site, or the text alone if the URL is no web address. @param {unknown} url @param {string} text */
function externalLink(url, text) {
  if (!url) {
    return html`${text} <span class="muted">(the exchange sent no address)</span>`;
  }
  return /^https?:\/\//i.test(String(url))
    ? html`<a href=${String(url)} rel="noreferrer noopener"><bdi>${text}</bdi></a>`
    : html`<bdi>${text}</bdi> <code>${url}</code>`;
}
