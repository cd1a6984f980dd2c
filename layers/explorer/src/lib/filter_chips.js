/** Filters of a query: chips that remove them, and what to change when nothing matches. */

import { valueLabel } from "./facets.js";
import { html, nothing } from "./html.js";
import { filtersOf, parseList, queryUrl } from "./market_query.js";

/** Word or sign of each operator, by the end of the parameter's name; longer ends first. */
const OPERATORS = /** @type {[string, string][]} */ ([
  ["__icontains", "contains"],
  ["__startswith", "starts with"],
  ["__isnull", "is missing"],
  ["_regex", "matches"],
  ["__eq", "="],
  ["__lte", "≤"],
  ["__lt", "<"],
  ["__gte", "≥"],
  ["__gt", ">"],
  ["__ne", "≠"],
  ["__in", "is"],
]);

/**
 * Return the word or sign of a filter's operator.
 *
 * @param {string} parameter Name of the parameter, such as volume__gte.
 * @returns {{column: string, operator: string, end: string}} Column, operator for a person, end of the name.
 */
export function parseParameter(parameter) {
  const [end, operator] = OPERATORS.find(([end]) => parameter.endsWith(end)) ?? ["", "is"];
  return { column: parameter.slice(0, parameter.length - end.length), operator, end };
}

/**
 * Return a filter in words, such as "volume ≥ 1000".
 *
 * @param {string} parameter
 * @param {string} value
 */
function filterText(parameter, value) {
  if (parameter === "search") {
    return `search: ${value}`;
  }
  const { column, operator, end } = parseParameter(parameter);
  const name = column.replaceAll("_", " ");
  if (end === "__isnull") {
    return `${name} ${value === "true" ? "is missing" : "is present"}`;
  }
  const values = end === "__in" ? parseList(value) : [value];
  const texts = end === "__in" || end === "" ? values.map((value) => valueLabel(column, value)) : values;
  return end === "__in" || end === "" ? `${name}: ${texts.join(", ")}` : `${name} ${operator} ${texts.join(", ")}`;
}

/**
 * Return the filters of a query as chips, each with a link that removes it.
 *
 * @param {URLSearchParams} query
 */
export function filterChips(query) {
  const filters = filtersOf(query);
  const chips = filters.map(([parameter, value]) => {
    const text = filterText(parameter, value);
    return html`<li>
      <bdi>${text}</bdi>
      <a data-state href=${queryUrl(query, { [parameter]: null })}
        ><span aria-hidden="true">×</span><span class="hidden">Remove the filter ${text}</span></a
      >
    </li>`;
  });
  const clear =
    filters.length > 1 ? html`<li class="clear"><a data-state href=${clearUrl(query)}>Clear all</a></li>` : nothing;
  return html`<ul class="chips" aria-label="Filters">
    ${filters.length ? html`${chips}${clear}` : html`<li class="muted">No filters: all markets</li>`}
  </ul>`;
}

/**
 * Return links to queries that may have matches, for a query that has none.
 *
 * @param {URLSearchParams} query
 */
export function looserQueries(query) {
  const filters = filtersOf(query);
  const search = query.get("search");
  const links = filters.length > 1 ? filters.map(([parameter, value]) => withoutFilter(query, parameter, value)) : [];
  const all =
    search && filters.length > 2
      ? [
          html`<li><a data-state href=${queryUrl(new URLSearchParams({ search }), {})}>Search all markets for <bdi>${search}</bdi></a></li>`,
        ]
      : [];
  return html`<ul class="suggestions">
    ${[...all, ...links]}
    <li><a data-state href="/explore?order_by=recent">Show all markets</a></li>
  </ul>`;
}

/** @param {URLSearchParams} query @param {string} parameter @param {string} value */
function withoutFilter(query, parameter, value) {
  return html`<li>
    <a data-state href=${queryUrl(query, { [parameter]: null })}>Without <bdi>${filterText(parameter, value)}</bdi></a>
  </li>`;
}

/** @param {URLSearchParams} query */
function clearUrl(query) {
  return queryUrl(query, Object.fromEntries(filtersOf(query).map(([name]) => [name, null])));
}
