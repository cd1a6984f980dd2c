/** Links that choose the range and the interval of a chart; both are in the URL. */

import { INTERVALS, RANGES } from "./candlesticks.js";
import { html, nothing } from "./html.js";
import { stateUrl } from "./url_state.js";

/** @typedef {import("./candlesticks.js").Range} Range */
/** @typedef {import("./candlesticks.js").Interval} Interval */

/**
 * Return links to the ranges. Another range has its own typical interval.
 *
 * @param {URLSearchParams} state
 * @param {Range} shown
 */
export function rangeLinks(state, shown) {
  return html`<nav aria-label="Range">
    ${RANGES.map(({ name, label, about }) => choiceLink(stateUrl(state, { range: name, interval: null }), label, about, name === shown.name))}
  </nav>`;
}

/**
 * Return links to the intervals; those that the range does not permit are texts.
 *
 * @param {URLSearchParams} state
 * @param {Interval} shown
 * @param {readonly Interval[]} permitted
 */
export function intervalLinks(state, shown, permitted) {
  return html`<nav aria-label="Interval">
    <span class="label" aria-hidden="true">Interval</span>
    ${INTERVALS.map(({ minutes, label, about }) =>
      permitted.some((interval) => interval.minutes === minutes)
        ? choiceLink(stateUrl(state, { interval: minutes }), label, about, minutes === shown.minutes)
        : html`<span class="unavailable" title="Not with this range: too many or too few candles">${label}</span>`,
    )}
  </nav>`;
}

/** @param {string} url @param {string} label @param {string} about @param {boolean} current */
function choiceLink(url, label, about, current) {
  return html`<a class="button" data-state href=${url} aria-label="${label}: ${about}" aria-current=${current ? "true" : nothing}
    >${label}</a
  >`;
}
