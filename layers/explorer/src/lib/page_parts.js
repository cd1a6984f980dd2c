/** Parts that the pages of a market and of an event share: not found, breadcrumb, the exchange's page. */

import { html, nothing } from "./html.js";
import { eventPath, plainText, seriesPath } from "./market_views.js";

/**
 * Return the view of an object that the service does not have.
 *
 * @param {string} kind Such as "market".
 * @param {string} ticker
 * @param {unknown} crawl View of a running first crawl, or null.
 */
export function notFoundView(kind, ticker, crawl) {
  const series = ticker.split("-")[0];
  return html`<h1>There is no ${kind} <bdi>${ticker}</bdi></h1>
    ${crawl}
    <p>The service has no ${kind} with this ticker. Tickers are in capital letters.</p>
    <ul>
      <li><a href="/explore?search=${encodeURIComponent(ticker)}">Search for <bdi>${ticker}</bdi></a></li>
      <li><a href=${seriesPath(series)}>The series <bdi>${series}</bdi></a></li>
      <li><a href="/explore">All markets</a></li>
    </ul>`;
}

/**
 * Return links to the page's parents.
 *
 * @param {{category: string | null, series_ticker: string | null, event_ticker?: string | null, event_title?: string | null}} row
 */
export function breadcrumb({ category, series_ticker: series, event_ticker: event, event_title: eventTitle }) {
  const link = (/** @type {string} */ url, /** @type {string} */ text) => html`<a href=${url}><bdi>${text}</bdi></a>`;
  return html`<nav class="breadcrumb" aria-label="Breadcrumb">
    ${link("/explore", "Explore")} ${category ? link(`/explore?category=${encodeURIComponent(category)}`, category) : nothing}
    ${series ? link(seriesPath(series), series) : nothing} ${event ? link(eventPath(event), plainText(eventTitle) || event) : nothing}
  </nav>`;
}

/**
 * Return the link to the exchange's own page. It is by series: the address of a single market has a part that the API
 * does not send.
 *
 * @param {string | null} series
 */
export function exchangeLink(series) {
  const url = `https://kalshi.com/markets/${encodeURIComponent(String(series).toLowerCase())}`;
  return series ? html`<a href=${url} rel="noreferrer noopener">This series on kalshi.com</a>` : nothing;
}
