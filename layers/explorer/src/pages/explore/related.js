/** Links beside a search: categories that its words name, and series that have it in their titles. */

import { send } from "../../lib/api.js";
import { html } from "../../lib/html.js";
import { queryUrl, selectedValues, selectValues } from "../../lib/market_query.js";
import { matchingCategories } from "./matching_categories.js";

/** Limit of the categories. The exchange has about 20. */
const MAX_CATEGORIES = 100;

/**
 * Return all categories, the largest first.
 *
 * @param {AbortSignal} [signal]
 * @returns {Promise<string[]>}
 */
export async function fetchCategories(signal) {
  const parameters = { facet: "category", limit: MAX_CATEGORIES };
  const { data } = await send({ path: "/markets/facets", parameters }, signal);
  return (data.facets.category.values ?? []).flatMap((/** @type {any} */ { value }) => value ?? []);
}

/**
 * Return links to the categories that match a search, and to the series that have it in their titles.
 *
 * @param {URLSearchParams} query Query with a search.
 * @param {string[]} categories All categories, or those that are known so far.
 */
export function relatedView(query, categories) {
  const search = query.get("search") ?? "";
  const selected = selectedValues(query, "category");
  const links = matchingCategories(search, categories)
    .filter((category) => !selected.includes(category))
    .map(
      (category) =>
        html`<li>Category <a data-state href=${queryUrl(query, { ...selectValues("category", [category]), search: null })}><bdi>${category}</bdi></a></li>`,
    );
  return html`<div class="related">
    <span>See also</span>
    <ul aria-label="Related to the search">
      ${links}
      <li><a href="/explore/series?${new URLSearchParams({ search })}">Series with <bdi>${search}</bdi> in the title</a></li>
    </ul>
  </div>`;
}
