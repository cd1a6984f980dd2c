/** Templates: the part of lit-html that the pages use. All values in a template are text, never markup. */

export { html, nothing, render, svg } from "../vendor/lit-html.js";

/** @typedef {import("../vendor/lit-html.js").TemplateResult | typeof import("../vendor/lit-html.js").nothing} Template */
