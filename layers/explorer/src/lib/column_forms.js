/** Forms over the columns of markets: a further filter, and the choice of columns. They are loaded when opened. */

import { send } from "./api.js";
import { parseParameter } from "./filter_chips.js";
import { html, nothing } from "./html.js";
import { queryUrl } from "./market_query.js";
import { Section } from "./section.js";
import { goTo } from "./url_state.js";

const OPERATOR_NAMES = /** @type {Record<string, string>} */ ({
  "": "equals",
  __in: "is one of (comma-separated)",
  __isnull: "is missing",
  _regex: "matches the regular expression",
});
const PLACEHOLDERS = /** @type {Record<string, string>} */ ({
  time: "2026-12-31 or 2026-12-31T18:00Z",
  number: "1000",
});

/** Forms of a page, with the columns of GET /markets/columns. */
export class ColumnForms {
  #column = "volume";
  #parameter = "volume__gte";

  /** @param {() => void} changed Renders the page. */
  constructor(changed) {
    this.changed = changed;
    this.columns = new Section(
      async (signal) => (await send({ path: "/markets/columns" }, signal)).data.items,
      changed,
    );
  }

  /**
   * Return the disclosures with both forms.
   *
   * @param {URLSearchParams} query
   */
  view(query) {
    return html`<details class="tool" @toggle=${this.#load}>
        <summary>Add filter</summary>
        ${this.columns.view((columns) => this.#filterForm(query, columns), 2)}
      </details>
      <details class="tool" @toggle=${this.#load}>
        <summary>Columns</summary>
        ${this.columns.view((columns) => columnsForm(query, columns), 2)}
      </details>`;
  }

  #load = () => {
    if (this.columns.data === undefined && !this.columns.loading) {
      this.columns.reload();
    }
  };

  /** @param {URLSearchParams} query @param {any[]} columns */
  #filterForm(query, columns) {
    const column = columns.find(({ name }) => name === this.#column) ?? columns[0];
    const pick = (/** @type {Event} */ event) => {
      const { name, filters } = columns.find((other) => other.name === chosenValue(event));
      this.#column = name;
      this.#parameter = filters[0];
      this.changed();
    };
    const operate = (/** @type {Event} */ event) => {
      this.#parameter = chosenValue(event);
      this.changed();
    };
    const submit = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const form = /** @type {HTMLFormElement} */ (event.currentTarget);
      goTo(queryUrl(query, { [this.#parameter]: String(new FormData(form).get("value")).trim() }));
    };
    return html`<form class="fields" @submit=${submit}>
      <label>Column<select @change=${pick}>${columns.map(({ name }) => option(name, name, column.name))}</select></label>
      <label
        >Operator<select @change=${operate}>
          ${column.filters.map((/** @type {string} */ name) => option(name, operatorName(name), this.#parameter))}
        </select></label
      >
      <label>Value${valueControl(column, this.#parameter)}</label>
      <button class="primary">Add filter</button>
      <p class="muted">${column.about}</p>
    </form>`;
  }
}

/** @param {any} column @param {string} parameter */
function valueControl({ kind, values }, parameter) {
  const isTruth = kind === "boolean" || parameter.endsWith("__isnull");
  const isChoice = values && ["", "__ne"].includes(parseParameter(parameter).end);
  const choices = isTruth ? ["true", "false"] : isChoice ? values : null;
  return choices
    ? html`<select name="value">${choices.map((/** @type {string} */ value) => option(value, value || "(empty)", choices[0]))}</select>`
    : html`<input name="value" required autocomplete="off" placeholder=${PLACEHOLDERS[kind] ?? ""} />`;
}

/** @param {URLSearchParams} query @param {any[]} columns */
function columnsForm(query, columns) {
  const chosen = (query.get("fields") ?? "").split(",");
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const names = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget)).getAll("field");
    goTo(queryUrl(query, { fields: names.join(",") || null, limit: query.get("limit") }));
  };
  return html`<form class="checks" @submit=${submit}>
    ${columns.map(
      ({ name, about }) =>
        html`<label title=${about}><input type="checkbox" name="field" value=${name} .checked=${chosen.includes(name)} />${name}</label>`,
    )}
    <p>
      <span class="muted">The question of a market is always shown.</span>
      <button class="primary">Show these columns</button>
      ${
        query.has("fields")
          ? html`<a data-state href=${queryUrl(query, { fields: null, limit: query.get("limit") })}>Usual columns</a>`
          : nothing
      }
    </p>
  </form>`;
}

/** @param {string} parameter */
function operatorName(parameter) {
  const { end, operator } = parseParameter(parameter);
  return OPERATOR_NAMES[end] ?? operator;
}

/** @param {string} value @param {string} text @param {string} selected */
function option(value, text, selected) {
  return html`<option value=${value} .selected=${value === selected}>${text}</option>`;
}

/** @param {Event} event */
function chosenValue(event) {
  return /** @type {HTMLSelectElement} */ (event.currentTarget).value;
}
