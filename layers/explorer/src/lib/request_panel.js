/** "API" and "CSV" of a table or a chart: the request that made it, to take away. */

import { requestPath, withParameters } from "./api.js";
import { download } from "./api_links.js";
import { html } from "./html.js";
import { snippets } from "./snippets.js";

/** @typedef {import("./api.js").ApiRequest} ApiRequest */

/**
 * Return the panel of a request.
 *
 * @param {ApiRequest} request
 * @param {string} label Subject of the panel, for screen readers and for the file name, such as "markets".
 * @param {object} [options]
 * @param {"api" | (() => string) | null} [options.csv] Source of the CSV: the API's `format=csv`, or a function that
 *   returns the text, for a request whose response has no CSV. Null: there is no CSV yet.
 * @param {string | null} [options.list] Path to the rows in the JSON response, as of snippets().
 */
export function requestPanel(request, label, { csv = "api", list = "items" } = {}) {
  const texts = snippets(request, { hasCsv: csv === "api", list });
  const fileName = `${label.replaceAll(/[^A-Za-z0-9.-]+/g, "-")}.csv`;
  return html`<div class="request-panel">
    <details class="request">
      <summary>API<span class="hidden"> request of ${label}</span></summary>
      <div class="snippets">${texts.map(([name, text]) => snippetView(name, text))}</div>
    </details>
    ${
      csv === "api"
        ? html`<a class="csv" href=${requestPath(withParameters(request, { format: "csv" }))} download=${fileName}
            >CSV<span class="hidden"> of ${label}</span></a
          >`
        : csv &&
          html`<button type="button" class="csv" @click=${() => download(csv(), fileName)}>
            CSV<span class="hidden"> of ${label}</span>
          </button>`
    }
  </div>`;
}

/**
 * Return rows as CSV (RFC 4180), with a header line.
 *
 * @param {string[]} names
 * @param {unknown[][]} rows Null and undefined are empty.
 */
export function csvText(names, rows) {
  const line = (/** @type {unknown[]} */ values) => values.map(csvValue).join(",");
  return `${[names, ...rows].map(line).join("\r\n")}\r\n`;
}

/**
 * Return a text with a button that copies it.
 *
 * @param {string} name
 * @param {string} text
 */
export function snippetView(name, text) {
  const copy = async (/** @type {Event} */ event) => {
    const button = /** @type {HTMLButtonElement} */ (event.currentTarget);
    button.textContent = (await copyText(text)) ? "Copied" : "Select the text and copy it";
    setTimeout(() => {
      button.textContent = "Copy";
    }, 2_000);
  };
  return html`<div class="snippet">
    <strong>${name}</strong>
    <pre tabindex="0" aria-label="${name} request">${text}</pre>
    <button type="button" @click=${copy}>Copy</button>
  </div>`;
}

/** Return whether the text is on the clipboard, which browsers permit on secure origins only. @param {string} text */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** @param {unknown} value */
function csvValue(value) {
  if (value === null || value === undefined) {
    return "";
  }
  return typeof value === "string" ? `"${value.replaceAll('"', '""')}"` : String(value);
}
