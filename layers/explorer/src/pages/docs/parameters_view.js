/** Reference of an operation's parameters: plain ones in a table, filters in one group for each column. */

import { quantity } from "../../lib/format.js";
import { html, nothing } from "../../lib/html.js";
import { inlineCode } from "./inline_code.js";
import { typeText } from "./schema_view.js";

/** @typedef {import("./openapi.js").OpenApi} OpenApi */
/** @typedef {import("./openapi.js").Parameter} Parameter */
/** @typedef {import("./openapi.js").FilterGroup} FilterGroup */

/**
 * Return the reference of parameters.
 *
 * @param {object} options
 * @param {OpenApi} options.api
 * @param {Parameter[]} options.plain
 * @param {FilterGroup[]} options.groups
 * @param {string} options.search Text that names and descriptions must contain; empty: all are shown.
 * @param {(search: string) => void} options.searched Called when the text of the search changes.
 * @param {(parameter: Parameter) => void} options.add Adds a parameter to the form.
 */
export function parametersView({ api, plain, groups, search, searched, add }) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = new Set([...plain, ...groups.flatMap((group) => group.filters)].filter(matching(words)));
  const total = plain.length + groups.reduce((sum, { filters }) => sum + filters.length, 0);
  const isShown = (/** @type {Parameter} */ parameter) => shown.has(parameter);
  const table = (/** @type {Parameter[]} */ parameters, /** @type {string} */ caption) =>
    parameterTable({ api, parameters, caption, add, isShown });
  const open = words.length > 0 && groups.filter(({ filters }) => filters.some(isShown)).length <= 10;
  return html`${total > 20 ? searchField(search, searched) : nothing}
    <p role="status" class="muted">
      ${search ? `${quantity(shown.size)} of ${quantity(total)}` : quantity(total)} parameters${groups.length ? `, ${quantity(groups.length)} columns to filter by` : ""}
    </p>
    <div ?hidden=${!plain.some(isShown)}>${plain.length ? table(plain, "Parameters") : nothing}</div>
    ${groups.length ? html`<h4>Filters by column</h4>` : nothing}
    ${groups.map(
      (group) =>
        html`<details class="column" ?open=${open} ?hidden=${!group.filters.some(isShown)}>
          <summary>
            <code class="name">${group.column}</code> <span class="type">${typeText(group.filters[0].schema, api)}</span>
            <span class="muted">${inlineCode(group.about)}</span>
            <span class="operators">${group.filters.map(({ name }) => html`<code>${operatorOf(name, group.column)}</code> `)}</span>
          </summary>
          ${table(group.filters, `Filters on ${group.column}`)}
        </details>`,
    )}
    ${shown.size === 0 && search ? html`<p>No parameter contains these words. <button type="button" @click=${() => searched("")}>Show all</button></p>` : nothing}`;
}

/** @param {string} search @param {(search: string) => void} searched */
function searchField(search, searched) {
  return html`<p class="parameter-search">
    <label for="parameter-search">Search parameters</label>
    <input id="parameter-search" type="search" placeholder="Such as close_time, volume or icontains" .value=${search}
      @input=${(/** @type {any} */ event) => searched(event.target.value)} />
  </p>`;
}

/**
 * @param {object} options
 * @param {OpenApi} options.api
 * @param {Parameter[]} options.parameters
 * @param {string} options.caption
 * @param {(parameter: Parameter) => void} options.add
 * @param {(parameter: Parameter) => boolean} options.isShown
 */
function parameterTable({ api, parameters, caption, add, isShown }) {
  return html`<div class="table-scroll" tabindex="0" role="region" aria-label=${caption}>
    <table class="parameters">
      <caption class="hidden">
        ${caption}
      </caption>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Type</th>
          <th scope="col">Description</th>
          <th scope="col">Example</th>
          <th scope="col"><span class="hidden">Form</span></th>
        </tr>
      </thead>
      <tbody>
        ${parameters.map((parameter) => html`<tr ?hidden=${!isShown(parameter)}>${parameterCells(parameter, api, add)}</tr>`)}
      </tbody>
    </table>
  </div>`;
}

/** @param {Parameter} parameter @param {OpenApi} api @param {(parameter: Parameter) => void} add */
function parameterCells(parameter, api, add) {
  const { name, schema, description, required, example } = parameter;
  return html`<td><code class="name">${name}</code>${required ? html`<small>required</small>` : nothing}</td>
    <td class="type">${typeText(schema, api)}</td>
    <td class="about">
      ${inlineCode(description)}
      ${schema.enum ? html`<span>One of ${schema.enum.map((/** @type {unknown} */ value) => html`<code>${value}</code> `)}</span>` : nothing}
      ${schema.default !== undefined && schema.default !== null ? html`<span>Default: <code>${schema.default}</code></span>` : nothing}
    </td>
    <td>${example === undefined ? "–" : html`<code class="example">${exampleText(example)}</code>`}</td>
    <td>
      <button type="button" @click=${() => add(parameter)}>Use<span class="hidden"> ${name}</span></button>
    </td>`;
}

/** Return an example as the text of a query parameter. @param {unknown} example */
export function exampleText(example) {
  return typeof example === "string" ? example : JSON.stringify(example);
}

/** Return the operator of a filter's name: "=" or such as "__gte". @param {string} name @param {string} column */
function operatorOf(name, column) {
  return name === column ? "=" : name.slice(column.length);
}

/** Return the predicate of parameters that contain all words. @param {string[]} words In lower case. */
function matching(words) {
  return (/** @type {Parameter} */ { name, description }) => {
    const text = `${name} ${description}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
}
