/** Section of a page: data that is loaded on its own, with its states. */

import { html } from "./html.js";
import { failureView, loadingView } from "./states.js";

/**
 * Part of a page that loads its data and shows loading, failure or the data. A failure of one section leaves the others.
 *
 * @template Data
 */
export class Section {
  /** @type {Data | undefined} */ data;
  /** @type {unknown} */ error;
  /** @type {AbortController | undefined} */ #controller;

  /**
   * @param {(signal: AbortSignal) => Promise<Data>} load Loads the data.
   * @param {() => void} changed Called after each change of the state: it renders the page.
   */
  constructor(load, changed) {
    this.load = load;
    this.changed = changed;
  }

  /** Whether data is being loaded. */
  get loading() {
    return this.#controller !== undefined;
  }

  /**
   * Load the data. An earlier load is aborted. Until the new data arrives, the section shows the previous data.
   *
   * @param {object} [options]
   * @param {boolean} [options.discard] The previous data is not shown, because it answers another question.
   * @param {boolean} [options.discardOnFailure] The previous data is shown until the response, but not with a failure.
   */
  async reload({ discard = false, discardOnFailure = false } = {}) {
    if (discard) {
      this.data = undefined;
      this.error = undefined;
    }
    await this.run(
      this.load,
      (data) => {
        this.data = data;
        this.error = undefined;
      },
      (error) => {
        this.error = error;
        this.data = discardOnFailure ? undefined : this.data;
      },
    );
  }

  /** Load the data, unless it was requested before: a page calls this in each rendering that needs the data. */
  loadOnce() {
    if (this.data === undefined && this.error === undefined && !this.loading) {
      this.reload();
    }
  }

  /**
   * Run a load in place of an earlier one, which is aborted.
   *
   * @protected
   * @template Loaded
   * @param {(signal: AbortSignal) => Promise<Loaded>} load
   * @param {(loaded: Loaded) => void} succeeded
   * @param {(error: unknown) => void} failed
   */
  async run(load, succeeded, failed) {
    this.#controller?.abort();
    const controller = new AbortController();
    this.#controller = controller;
    this.changed();
    try {
      const loaded = await load(controller.signal);
      if (this.#controller === controller) {
        succeeded(loaded);
      }
    } catch (error) {
      if (this.#controller === controller) {
        failed(error);
      }
    }
    if (this.#controller === controller) {
      this.#controller = undefined;
      this.changed();
    }
  }

  /**
   * Return the view of the section's state.
   *
   * @param {(data: Data) => unknown} loaded View of the data.
   * @param {number} [lines] Height of the placeholder, in lines of text: that of the data, so that nothing moves.
   * @param {() => void} [retry] Loads again after a failure: this section, and others whose failures are not shown.
   * @returns {unknown}
   */
  view(loaded, lines = 3, retry = () => this.reload()) {
    if (this.data !== undefined) {
      const notice = this.error ? failureView(this.error, retry, { compact: true }) : null;
      return html`${notice}${loaded(this.data)}`;
    }
    return this.error ? failureView(this.error, retry) : loadingView(lines);
  }
}

/**
 * Call a function once, when an element is first seen by the viewer.
 *
 * @param {Element} element
 * @param {() => void} callback
 */
export function whenSeen(element, callback) {
  const observer = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) {
      observer.disconnect();
      callback();
    }
  });
  observer.observe(element);
}

/**
 * Call a function once a minute while the tab is visible, and at once if it was hidden for longer.
 *
 * @param {() => void} callback
 */
export function everyMinute(callback) {
  let last = Date.now();
  const check = () => {
    if (!document.hidden && Date.now() - last >= 60_000) {
      last = Date.now();
      callback();
    }
  };
  setInterval(check, 5_000);
  document.addEventListener("visibilitychange", check);
}
