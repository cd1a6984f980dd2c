/** Listing: rows that are loaded page by page, with "load more". */

import { html } from "./html.js";
import { Section } from "./section.js";
import { failureView } from "./states.js";

/**
 * Rows that are loaded so far.
 *
 * @template Row, [Next=string]
 * @typedef {object} Rows
 * @property {Row[]} items
 * @property {Next | null} next Position of the next page, such as a cursor. Null: these are all rows.
 * @property {number} [total] Number of all rows, if the API counted them.
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

  /**
   * @param {(next: Next | null, signal?: AbortSignal) => Promise<Rows<Row, Next>>} loadPage Loads one page. Null: the first.
   * @param {() => void} changed Called after each change of the state: it renders the page.
   * @param {(count: number) => void} grown Called with the number of rows after "load more": it puts it into the URL.
   */
  constructor(loadPage, changed, grown) {
    super((signal) => loadPage(null, signal), changed);
    this.loadPage = loadPage;
    this.grown = grown;
  }

  /** Load the next page and append it. A page of an earlier listing is dropped. */
  async loadMore() {
    const loaded = this.data;
    if (!loaded || loaded.next === null || this.loadingMore) {
      return;
    }
    this.loadingMore = true;
    this.#moreError = undefined;
    this.changed();
    try {
      const page = await this.loadPage(loaded.next);
      if (this.data === loaded) {
        this.data = { ...page, total: loaded.total, items: [...loaded.items, ...page.items] };
        this.grown(this.data.items.length);
      }
    } catch (error) {
      this.#moreError = this.data === loaded ? error : undefined;
    }
    this.loadingMore = false;
    this.changed();
    document.getElementById("listing-end")?.focus();
  }

  /** Return the button that loads the next page, or a sentence at the end. It keeps the focus of the keyboard. */
  moreView() {
    if (this.#moreError) {
      return failureView(this.#moreError, () => this.loadMore(), { compact: true });
    }
    return this.data && this.data.next !== null
      ? html`<p>
          <button type="button" aria-disabled=${String(this.loadingMore)} @click=${() => this.loadMore()}>
            ${this.loadingMore ? "Loading …" : "Load more"}
          </button>
        </p>`
      : html`<p class="muted" id="listing-end" tabindex="-1">These are all rows.</p>`;
  }
}
