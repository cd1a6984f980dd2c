/** Facets: numbers of markets by the values of columns, as links that select and deselect values. */

import { send } from "./api.js";
import { quantity } from "./format.js";
import { html, nothing } from "./html.js";
import { filtersOf, queryUrl, selectedValues, selectValues, withChanges } from "./market_query.js";
import { statusLabel } from "./market_views.js";
import { csvText, requestPanel } from "./request_panel.js";

const TITLES = /** @type {Record<string, string>} */ ({
  status: "Status",
  category: "Category",
  series_ticker: "Series",
  strike_type: "Strike type",
  result: "Result",
});
const COLUMNS = Object.keys(TITLES);
const MAX_VALUES = 25;
/** Values that are shown at once; a disclosure has the others. */
const SHOWN_VALUES = 8;

/** @typedef {import("./api.js").ApiRequest} ApiRequest */
/** @typedef {{value: string | null, count: number | null}} FacetValue */
/** @typedef {{values: FacetValue[] | null, estimated: boolean, truncated: boolean}} Facet */

/**
 * Numbers of markets.
 *
 * @typedef {object} Facets
 * @property {ApiRequest} request Request with all filters.
 * @property {Record<string, Facet>} facets Values among the matching markets.
 * @property {Record<string, Facet>} others Values among the markets that match all filters but the column's own.
 * @property {number | null} count Number of matching markets.
 * @property {boolean} estimated Whether the number is an estimate.
 */

/**
 * Return the facets of a query. A column that the query filters needs a request of its own: its other values.
 *
 * @param {URLSearchParams} query
 * @param {AbortSignal} signal
 * @returns {Promise<Facets>}
 */
export async function fetchFacets(query, signal) {
  const filtered = COLUMNS.filter((column) => selectedValues(query, column).length > 0);
  const request = facetsRequest(query, COLUMNS);
  const [main, ...responses] = await Promise.all([
    send(request, signal),
    ...filtered.map((column) => send(facetsRequest(withChanges(query, selectValues(column, [])), [column]), signal)),
  ]);
  const { facets, count } = main.data;
  const others = Object.fromEntries(filtered.map((column, index) => [column, responses[index].data.facets[column]]));
  const estimated = Object.values(facets).some((facet) => facet.estimated);
  return { request, facets, others: { ...facets, ...others }, count, estimated };
}

/**
 * Return the number of matching markets as text, such as "≈ 1,204 markets".
 *
 * @param {Facets} facets
 */
export function countText({ count, estimated }) {
  if (count === null) {
    return "an unknown number of markets";
  }
  return `${estimated ? "≈ " : ""}${quantity(count)} ${count === 1 ? "market" : "markets"}`;
}

/**
 * Return the word for a value of a column.
 *
 * @param {string} column
 * @param {string | null} value
 */
export function valueLabel(column, value) {
  if (column === "status") {
    return statusLabel(value);
  }
  if (value === null) {
    return "none";
  }
  if (column === "result") {
    return value === "" ? "undetermined" : value.toUpperCase();
  }
  return value === "" ? "empty" : column === "strike_type" ? value.replaceAll("_", " ") : value;
}

/**
 * Return the facets as lists of links.
 *
 * @param {URLSearchParams} query
 * @param {Facets} facets
 */
export function facetsView(query, facets) {
  const rows = () =>
    COLUMNS.flatMap((column) =>
      (facets.facets[column]?.values ?? []).map(({ value, count }) => [column, value, count]),
    );
  return html`${COLUMNS.map((column) => facetView(query, facets, column))}
  ${requestPanel(facets.request, "facets", { csv: () => csvText(["facet", "value", "count"], rows()), list: "facets.*.values" })}`;
}

/** @param {URLSearchParams} query @param {Facets} facets @param {string} column */
function facetView(query, facets, column) {
  const selected = selectedValues(query, column);
  const counts = new Map(facets.facets[column]?.values?.map(({ value, count }) => [value, count]));
  const facet = facets.others[column];
  const absent = facets.facets[column]?.values && !facets.facets[column].truncated ? 0 : null;
  const chosen = selected.map((value) => ({ value, count: counts.get(value) ?? absent }));
  const others = (facet?.values ?? []).filter(({ value }) => !selected.includes(value));
  const link = (/** @type {FacetValue} */ value) => valueLink(query, column, value, facet?.estimated ?? false);
  const shown = others.slice(0, Math.max(SHOWN_VALUES - chosen.length, 2));
  const more = others.slice(shown.length);
  return html`<section class="facet" aria-labelledby="facet-${column}">
    <h3 id="facet-${column}">
      ${TITLES[column]}
      ${
        selected.length
          ? html`<a class="remove" data-state href=${queryUrl(query, selectValues(column, []))}
              >remove<span class="hidden"> the filter ${TITLES[column]}</span></a
            >`
          : nothing
      }
    </h3>
    <ul>
      ${[...chosen, ...shown].map(link)}
    </ul>
    ${more.length ? html`<details><summary>${more.length} more</summary><ul>${more.map(link)}</ul></details>` : nothing}
    ${facet?.values ? nothing : html`<p class="muted">Too many markets to count in time.</p>`}
    ${
      column === "series_ticker" && facet?.truncated
        ? html`<a class="all-series" href="/explore/series">All series</a>`
        : nothing
    }
  </section>`;
}

/** @param {URLSearchParams} query @param {string} column @param {FacetValue} facetValue @param {boolean} estimated */
function valueLink(query, column, { value, count }, estimated) {
  const selected = selectedValues(query, column);
  const isSelected = selected.includes(value);
  const values = isSelected
    ? selected.filter((other) => other !== value)
    : value === null
      ? [null]
      : [...selected.filter((other) => other !== null), value];
  const url = queryUrl(query, selectValues(column, values));
  const number = count === null ? "–" : `${estimated ? "≈ " : ""}${quantity(count)}`;
  return html`<li>
    <a class="value" data-state href=${url} data-key="${column}=${value}" aria-current=${isSelected ? "true" : nothing}
      ><bdi>${valueLabel(column, value)}</bdi> <span class="numeric">${number}</span></a
    >
  </li>`;
}

/** @param {URLSearchParams} query @param {string[]} columns @returns {ApiRequest} */
function facetsRequest(query, columns) {
  const parameters = new URLSearchParams([
    ...filtersOf(query),
    ["facet", columns.join(",")],
    ["limit", `${MAX_VALUES}`],
  ]);
  return { path: "/markets/facets", parameters };
}
