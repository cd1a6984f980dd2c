/** Section of rows that continues by cursor. */

import { send, withParameters } from "./api.js";
import { Section } from "./section.js";

/** @typedef {import("./api.js").ApiRequest} ApiRequest */
/** @typedef {{rows: any[], nextCursor: string | null}} Rows */

/** Section whose data are the rows of the pages that were loaded so far. @extends {Section<Rows>} */
export class PagedSection extends Section {
  #loadingMore = false;

  /**
   * @param {() => ApiRequest} request Returns the request of the first page.
   * @param {() => void} changed Renders the page.
   */
  constructor(request, changed) {
    super((signal) => loadRows(request(), signal), changed);
    this.request = request;
  }

  /** Whether further rows are being loaded. */
  get loadingMore() {
    return this.#loadingMore;
  }

  /** Load the next page and append its rows. */
  async more() {
    const shown = this.data;
    if (!shown?.nextCursor || this.#loadingMore) {
      return;
    }
    this.#loadingMore = true;
    this.changed();
    try {
      const page = await loadRows(withParameters(this.request(), { cursor: shown.nextCursor }));
      if (this.data === shown) {
        this.data = { rows: [...shown.rows, ...page.rows], nextCursor: page.nextCursor };
        this.error = undefined;
      }
    } catch (error) {
      this.error = error;
    }
    this.#loadingMore = false;
    this.changed();
  }
}

/** @param {ApiRequest} request @param {AbortSignal} [signal] @returns {Promise<Rows>} */
async function loadRows(request, signal) {
  const { data } = await send(request, signal);
  return { rows: data.items, nextCursor: data.next_cursor };
}
