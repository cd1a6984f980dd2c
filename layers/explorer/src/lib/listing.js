/** Listing: rows that are loaded page by page, with "load more". */

import { send, withParameters } from "./api.js";
import { quantity } from "./format.js";
import { html, nothing } from "./html.js";
import { Section } from "./section.js";
import { failureView } from "./states.js";

/** @typedef {import("./api.js").ApiRequest} ApiRequest */

/** Limit of the rows that a page shows, and that a reload requests at once. */
const MAX_ROWS = 1_000;

/**
 * Rows that are loaded so far.
 *
 * @template Row, [Next=string]
 * @typedef {object} Rows
 * @property {Row[]} items
 * @property {Next | null} next Position of the next page, such as a cursor. Null: these are all rows.
 * @property {number} [total] Number of all rows, if the API counted them.
 * @property {string | null} [crawledAt] Time of the crawler's last confirmation, in ISO 8601.
 * @property {ApiRequest} [request] Request of these rows.
 */

/**
 * Section whose data are the pages of a listing.
 *
 * @template Row, [Next=string]
 * @extends {Section<Rows<Row, Next>>}
 */
export class Listing extends Section {
  /** Whether a further page is being loaded. */
  loadingMore = false;
  /** @type {unknown} */ #moreError;
  /** Whether the rows answer another question than the one that is being loaded. */
  #isOutdated = false;

  /**
   * @param {(next: Next | null, signal: AbortSignal) => Promise<Rows<Row, Next>>} loadPage Loads one page. Null: the first.
   * @param {() => void} changed Called after each change of the state: it renders the page.
   * @param {(count: number) => void} grown Called with the number of rows after "load more": it puts it into the URL.
   */
  constructor(loadPage, changed, grown) {
    super((signal) => loadPage(null, signal), changed);
    this.loadPage = loadPage;
    this.grown = grown;
  }

  /**
   * Load the first page, in place of all rows. A further page that is being loaded is dropped.
   *
   * @override
   * @param {{discard?: boolean, discardOnFailure?: boolean}} [options]
   */
  async reload(options) {
    this.loadingMore = false;
    this.#moreError = undefined;
    this.#isOutdated = options?.discardOnFailure === true;
    await super.reload(options);
  }

  /** Load the next page and append it, in place of a refresh that is running. */
  async loadMore() {
    const loaded = this.data;
    const isReplaced = this.loading && this.#isOutdated;
    if (!loaded || loaded.next === null || this.loadingMore || isReplaced) {
      return;
    }
    this.loadingMore = true;
    this.#moreError = undefined;
    await this.run(
      (signal) => this.loadPage(loaded.next, signal),
      (page) => this.#append(loaded, page),
      (error) => {
        this.loadingMore = false;
        this.#moreError = error;
      },
    );
  }

  /** @param {Rows<Row, Next>} loaded @param {Rows<Row, Next>} page */
  #append(loaded, page) {
    this.loadingMore = false;
    const items = [...loaded.items, ...page.items];
    const request = loaded.request && withParameters(loaded.request, { limit: items.length });
    this.data = { ...page, items, request, total: loaded.total };
    const hasFocus = () => document.activeElement?.matches("button.more") === true;
    const hadFocus = hasFocus();
    this.grown(items.length);
    this.changed();
    if (hadFocus && !hasFocus()) {
      document.getElementById("listing-end")?.focus();
    }
  }

  /**
   * Return the button that loads the next page, or a sentence at the end. The focus of the button goes to that sentence.
   *
   * @param {string} [label] Text of the button.
   * @param {string} [end] Sentence at the end.
   */
  moreView(label = "Load more", end = "These are all rows.") {
    const isFull = this.data !== undefined && this.data.items.length >= MAX_ROWS;
    if (!this.data || this.data.next === null || isFull) {
      const limit = `The page shows at most ${quantity(MAX_ROWS)} rows. The API has all of them.`;
      return html`<p class="muted" id="listing-end" tabindex="-1">${this.data?.next && isFull ? limit : end}</p>`;
    }
    // The button is never disabled, and it stays with a failure: otherwise the keyboard would lose its place.
    return html`${this.#moreError ? failureView(this.#moreError, null, { compact: true }) : nothing}
      <p>
        <button type="button" class="more" aria-disabled=${String(this.loadingMore)} @click=${() => this.loadMore()}>
          ${this.loadingMore ? "Loading …" : label}
        </button>
      </p>`;
  }
}

/**
 * Load a page of rows that the API continues by cursor.
 *
 * @param {ApiRequest} request Request of the first page.
 * @param {string | null} cursor Null: the first page.
 * @param {number} size Number of rows of a further page.
 * @param {AbortSignal} signal
 * @returns {Promise<Rows<any>>}
 */
export async function loadRows(request, cursor, size, signal) {
  const page = cursor === null ? request : withParameters(request, { cursor, limit: size });
  const { data, crawledAt } = await send(page, signal);
  return { items: data.items, next: data.next_cursor, total: data.total, crawledAt, request };
}

/**
 * Return the number of rows that the URL has, within limits.
 *
 * @param {URLSearchParams} state
 * @param {string} name
 * @param {number} fallback Number without a valid value.
 */
export function rowLimit(state, name, fallback) {
  const limit = Number.parseInt(state.get(name) ?? "", 10);
  return limit >= 1 ? Math.min(limit, MAX_ROWS) : fallback;
}
