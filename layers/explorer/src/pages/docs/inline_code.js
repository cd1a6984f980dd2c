/** Texts of the OpenAPI document: names between backticks are shown as code. */

import { html } from "../../lib/html.js";

/** @param {string} text */
export function inlineCode(text) {
  return text.split("`").map((part, index) => (index % 2 ? html`<code>${part}</code>` : part));
}
