/** Response of a request that was tried: status, time, headers and body. */

import { receiveText } from "../../lib/api.js";
import { quantity } from "../../lib/format.js";
import { html, nothing } from "../../lib/html.js";
import { indentedJson } from "./json_text.js";

/**
 * Response that was received.
 *
 * @typedef {object} Received
 * @property {number} status
 * @property {boolean} ok
 * @property {number} milliseconds
 * @property {[string, string][]} headers
 * @property {number} length Number of characters of the body.
 * @property {string} text The body's beginning, indented if it is JSON.
 * @property {string | null} nextCursor
 */

const MAX_CHARACTERS = 100_000;

/**
 * Send a request and return its response, whatever its status. Throw an ApiFailure without a response.
 *
 * @param {import("../../lib/api.js").ApiRequest} request
 * @param {AbortSignal} signal
 * @returns {Promise<Received>}
 */
export async function receive(request, signal) {
  const started = performance.now();
  const { response, text } = await receiveText(request, { signal, cache: "no-store" });
  const isJson = /\bjson$/.test(response.headers.get("content-type")?.split(";")[0] ?? "");
  return {
    status: response.status,
    ok: response.ok,
    milliseconds: performance.now() - started,
    headers: [...response.headers],
    length: text.length,
    text: isJson ? indentedJson(text.slice(0, MAX_CHARACTERS)) : text.slice(0, MAX_CHARACTERS),
    nextCursor: response.headers.get("x-next-cursor"),
  };
}

/**
 * Return the view of a response.
 *
 * @param {Received} received
 * @param {((cursor: string) => void) | null} nextPage Requests the next page. Null: the operation has no cursor.
 */
export function responseView({ status, ok, milliseconds, headers, length, text, nextCursor }, nextPage) {
  return html`<p role="status" class="outcome-line">
      <strong class="status" data-ok=${String(ok)}>${status}</strong>
      <span>${quantity(Math.round(milliseconds))} ms</span>
      <span>${quantity(length)} characters</span>
      ${nextCursor && nextPage ? html`<button type="button" @click=${() => nextPage(nextCursor)}>Next page</button>` : nothing}
    </p>
    <details>
      <summary>${headers.length} response headers</summary>
      <dl class="headers">${headers.map(([name, value]) => html`<div><dt>${name}</dt><dd><code>${value}</code></dd></div>`)}</dl>
    </details>
    <pre class="body" tabindex="0" aria-label="Response body">${text}</pre>
    ${
      length > MAX_CHARACTERS
        ? html`<p class="muted">
            The first ${quantity(MAX_CHARACTERS)} of ${quantity(length)} characters. A smaller limit, or the request in
            another program, shows all.
          </p>`
        : nothing
    }`;
}
