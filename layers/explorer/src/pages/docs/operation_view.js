/** Reference of one operation: request body and responses. */

import { html, nothing } from "../../lib/html.js";
import { inlineCode } from "./inline_code.js";
import { schemaView } from "./schema_view.js";

/** @typedef {import("./openapi.js").OpenApi} OpenApi */
/** @typedef {import("./openapi.js").Operation} Operation */

/**
 * Return the reference of an operation's responses.
 *
 * @param {Operation} operation
 * @param {OpenApi} api
 */
export function responsesView({ responses }, api) {
  return responses.map(
    ({ status, description, types, schema, headers }) =>
      html`<details class="response" ?open=${status === "200"}>
        <summary>
          <strong class="status" data-ok=${String(status < "400")}>${status}</strong> ${inlineCode(description)}
          ${types.map((type) => html` <code class="muted">${type}</code>`)}
        </summary>
        ${schema ? schemaView(schema, api) : html`<p class="muted">${types.length ? "The body is text." : "There is no body."}</p>`}
        ${headers.length ? headersView(headers) : nothing}
      </details>`,
  );
}

/** @param {[string, string][]} headers */
function headersView(headers) {
  return html`<h4>Headers</h4>
    <dl class="headers">
      ${headers.map(([name, description]) => html`<div><dt><code>${name}</code></dt><dd>${inlineCode(description)}</dd></div>`)}
    </dl>`;
}

/**
 * Return the member of an operation's JSON response that has the rows, or null if there is none.
 *
 * @param {Operation} operation
 * @param {OpenApi} api
 */
export function listMember({ responses }, api) {
  const schema = api.resolve(responses.find(({ status }) => status === "200")?.schema);
  const members = Object.entries(schema?.properties ?? {});
  return members.find(([, member]) => api.resolve(member).type === "array")?.[0] ?? null;
}
