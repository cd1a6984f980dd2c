/** Form that makes a request: inputs for the parameters, or a JSON body. */

import { html, nothing } from "../../lib/html.js";
import { exampleText } from "./parameters_view.js";

/** @typedef {import("./openapi.js").Operation} Operation */
/** @typedef {import("./openapi.js").Parameter} Parameter */

/**
 * Return the form of an operation.
 *
 * @param {object} options
 * @param {Operation} options.operation
 * @param {Map<string, string>} options.values Values by name.
 * @param {string} options.exampleBody JSON of an example body.
 * @param {boolean} options.sending
 * @param {(name: string, value: string | null) => void} options.changed Called with a new value; null removes it.
 * @param {() => void} options.submit
 */
export function tryForm({ operation, values, exampleBody, sending, changed, submit }) {
  const filters = operation.groups.flatMap((group) => group.filters);
  const added = [...values.keys()].flatMap((name) => filters.find((filter) => filter.name === name) ?? []);
  const send = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    submit();
  };
  return html`<form class="try" @submit=${send}>
    <div class="fields">
      ${operation.parameters.map((parameter) => fieldView(parameter, values, changed))}
      ${added.map((parameter) => fieldView(parameter, values, changed, { isAdded: true }))}
    </div>
    ${filters.length ? addFilterView(filters, changed) : nothing}
    ${operation.body ? bodyField(values.get("body") ?? exampleBody, changed) : nothing}
    <p class="actions">
      <button class="primary" ?disabled=${sending}>${sending ? "Sending …" : "Send"}</button>
      ${values.size ? html`<button type="button" @click=${() => clear(values, changed)}>Clear</button>` : nothing}
    </p>
  </form>`;
}

/**
 * @param {Parameter} parameter
 * @param {Map<string, string>} values
 * @param {(name: string, value: string | null) => void} changed
 * @param {{isAdded?: boolean}} [options] isAdded: the value may be empty, and a button removes the field.
 */
function fieldView({ name, schema, required, example }, values, changed, { isAdded = false } = {}) {
  const id = `value-${name}`;
  const value = values.get(name) ?? "";
  const input = (/** @type {any} */ event) =>
    changed(name, event.target.value === "" && !isAdded ? null : event.target.value);
  const choices = schema.enum ?? (schema.type === "boolean" ? [true, false] : null);
  const unset = schema.default === undefined ? "–" : `${schema.default} (default)`;
  const control = choices
    ? html`<select id=${id} @change=${input}>
        <option value="" .selected=${value === ""}>${unset}</option>
        ${choices.map((/** @type {unknown} */ choice) => html`<option value=${choice} .selected=${value === String(choice)}>${choice}</option>`)}
      </select>`
    : html`<input id=${id} .value=${value} ?required=${required} autocomplete="off" spellcheck="false"
        inputmode=${["integer", "number"].includes(schema.type) ? "decimal" : nothing}
        placeholder=${example === undefined ? nothing : exampleText(example)} @input=${input} />`;
  return html`<div class="field">
    <label for=${id}><code>${name}</code>${required ? html` <span class="muted">required</span>` : nothing}</label>
    <div class="control">
      ${control}
      ${isAdded ? html`<button type="button" aria-label="Remove ${name}" @click=${() => changed(name, null)}>×</button>` : nothing}
    </div>
  </div>`;
}

/** @param {Parameter[]} filters @param {(name: string, value: string | null) => void} changed */
function addFilterView(filters, changed) {
  const add = (/** @type {any} */ event) => {
    const filter = filters.find(({ name }) => name === event.target.value);
    if (filter) {
      event.target.value = "";
      changed(filter.name, exampleText(filter.example ?? ""));
    }
  };
  return html`<p class="add-filter">
    <label for="add-filter">Add a filter</label>
    <input id="add-filter" list="filters" autocomplete="off" spellcheck="false" placeholder="Such as status or volume__gte"
      @change=${add} />
    <datalist id="filters">${filters.map(({ name }) => html`<option value=${name}></option>`)}</datalist>
  </p>`;
}

/** @param {string} body @param {(name: string, value: string | null) => void} changed */
function bodyField(body, changed) {
  return html`<div class="field body-field">
    <label for="value-body">Request body, JSON</label>
    <textarea id="value-body" rows=${Math.min(body.split("\n").length + 1, 16)} spellcheck="false" .value=${body}
      @input=${(/** @type {any} */ event) => changed("body", event.target.value)}></textarea>
  </div>`;
}

/** @param {Map<string, string>} values @param {(name: string, value: string | null) => void} changed */
function clear(values, changed) {
  for (const name of [...values.keys()]) {
    changed(name, null);
  }
}
