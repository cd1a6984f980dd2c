/** Views of JSON schemas: types in words, and trees of members. */

import { html, nothing } from "../../lib/html.js";
import { inlineCode } from "./inline_code.js";

/** @typedef {import("./openapi.js").OpenApi} OpenApi */

const MAX_DEPTH = 8;

/**
 * Return the type of a schema in words, such as "integer from 1 to 10000" or "string or null".
 *
 * @param {any} schema Resolved schema.
 * @param {OpenApi} api
 * @returns {string}
 */
export function typeText(schema, api) {
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants) {
    return variants.map((/** @type {any} */ variant) => typeText(api.resolve(variant), api)).join(" or ");
  }
  if ("const" in schema) {
    return JSON.stringify(schema.const);
  }
  const types = [schema.type ?? "any JSON value"].flat();
  const names = types.map((type) => (type === "array" ? arrayText(schema, api) : type)).join(" or ");
  const format = schema.format === "date-time" ? " (RFC 3339 time)" : "";
  return names + format + boundsText(schema);
}

/**
 * Return the tree of a schema's members.
 *
 * @param {any} schema
 * @param {OpenApi} api
 * @param {number} [depth]
 * @returns {unknown}
 */
export function schemaView(schema, api, depth = 0) {
  const members = Object.entries(membersOf(api.resolve(schema), api));
  if (members.length === 0 || depth > MAX_DEPTH) {
    return depth === 0 ? html`<p><code>${typeText(api.resolve(schema), api)}</code></p>` : nothing;
  }
  return html`<ul class="schema">
    ${members.map(([name, member]) => memberView(name, api.resolve(member), api, depth))}
  </ul>`;
}

/** @param {string} name @param {any} schema @param {OpenApi} api @param {number} depth */
function memberView(name, schema, api, depth) {
  const values = schema.enum
    ? html` <span class="muted">One of ${schema.enum.map(String).join(", ")}.</span>`
    : nothing;
  const head = html`<code class="name">${name}</code> <span class="type">${typeText(schema, api)}</span>
    <span class="muted">${inlineCode(schema.description ?? "")}</span>${values}`;
  const isNested = Object.keys(membersOf(schema, api)).length > 0;
  return isNested
    ? html`<li>
        <details>
          <summary>${head}</summary>
          ${schemaView(schema, api, depth + 1)}
        </details>
      </li>`
    : html`<li>${head}</li>`;
}

/** Return the members of an object, or of the items of an array. @param {any} schema @param {OpenApi} api @returns {Record<string, any>} */
function membersOf(schema, api) {
  if (schema?.properties) {
    return schema.properties;
  }
  const inner = schema?.items ?? (schema?.anyOf ?? schema?.oneOf ?? []).find(hasMembers);
  if (inner) {
    return membersOf(api.resolve(inner), api);
  }
  const { additionalProperties: values } = schema ?? {};
  return values && typeof values === "object" ? { "(any name)": values } : {};

  function hasMembers(/** @type {any} */ variant) {
    return Object.keys(membersOf(api.resolve(variant), api)).length > 0;
  }
}

/** @param {any} schema @param {OpenApi} api */
function arrayText({ items, prefixItems }, api) {
  return items && !prefixItems ? `array of ${typeText(api.resolve(items), api)}` : "array";
}

/** @param {any} schema */
function boundsText({ minimum, maximum, minLength, maxLength, minItems, maxItems }) {
  const bounds = [
    rangeText(minimum, maximum, ""),
    rangeText(minLength > 1 ? minLength : undefined, maxLength, " characters"),
    rangeText(minItems, maxItems, " items"),
  ].filter(Boolean);
  return bounds.length ? ` (${bounds.join(", ")})` : "";
}

/** @param {number | undefined} from @param {number | undefined} to @param {string} unit */
function rangeText(from, to, unit) {
  if (to !== undefined) {
    return from === undefined ? `up to ${to}${unit}` : `${from} to ${to}${unit}`;
  }
  return from === undefined ? "" : `${from}${unit} or more`;
}
