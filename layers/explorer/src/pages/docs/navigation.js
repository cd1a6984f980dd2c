/** Introduction of the API, and the navigation of its operations. */

import { apiKey, KEY_HEADER } from "../../lib/api_key.js";
import { html, nothing } from "../../lib/html.js";
import { operationUrl } from "./form_values.js";

/** @typedef {import("./openapi.js").Operation} Operation */

/** @param {any} info */
export function introductionView(info) {
  const key =
    apiKey() === "" ? "No key is needed" : html`A request needs a key in the header <code>${KEY_HEADER}</code>`;
  return html`<h1>API</h1>
    <p>
      ${info.description} ${key}, and other origins may read every response (CORS). The base URL is
      <code>${location.origin}</code>.
    </p>
    <ul class="links">
      <li><a href="/openapi.json">/openapi.json</a> <span class="muted">OpenAPI document, for generators of clients</span></li>
      <li><a href="/llms.txt">/llms.txt</a> <span class="muted">this API in brief, for language models</span></li>
      <li><code>POST /mcp</code> <span class="muted">tools for agents, by the Model Context Protocol</span></li>
    </ul>`;
}

/**
 * Return the links to all operations, by group.
 *
 * @param {Operation[]} operations
 * @param {Operation} selected
 */
export function operationList(operations, selected) {
  const groups = [...new Set(operations.map(({ group }) => group))];
  return html`<details class="operations" ?open=${matchMedia("(min-width: 60rem)").matches}>
    <summary><h2>Operations</h2></summary>
    ${groups.map(
      (group) =>
        html`<h3>${group}</h3>
          <ul>
            ${operations.filter((operation) => operation.group === group).map((operation) => operationLink(operation, selected))}
          </ul>`,
    )}
  </details>`;
}

/** @param {Operation} operation @param {Operation} selected */
function operationLink({ id, method, path, summary }, selected) {
  return html`<li>
    <a href=${operationUrl(id)} data-state title=${summary} aria-current=${id === selected.id ? "page" : nothing}
      ><span class="method" data-method=${method}>${method}</span> <span class="path">${path}</span></a
    >
  </li>`;
}
