/** Chart of an event: one line for each outcome. The first lines have colors and a legend, all others are grey. */

import { axisTimes, periodText } from "./candlesticks.js";
import { ChartElement, color, priceOptions } from "./chart.js";
import { quantity } from "./format.js";
import { html, nothing } from "./html.js";

/** @typedef {import("./chart.js").AxisTime} AxisTime */
/** @typedef {import("./chart.js").Series} Series */
/** @typedef {{start: number, end: number}} Period */

/**
 * Line of an outcome.
 *
 * @typedef {object} Line
 * @property {string} id Ticker of the market.
 * @property {string} name Name of the outcome.
 * @property {(number | null)[]} values Per cent, one for each period.
 */

/** @typedef {import("./chart.js").ChartData & {lines: Line[], periods: Period[]}} LineData */

/** Number of lines with a color and a name. */
export const NAMED_LINES = 8;
const READ_LINES = 5;
const AXIS_LABELS = 4;

/**
 * Return the data of a chart.
 *
 * @param {string} key
 * @param {Period[]} periods At least one.
 * @param {Line[]} lines The most important first.
 * @returns {LineData}
 */
export function lineData(key, periods, lines) {
  return { key, periods, lines, times: axisTimes(periods), summary: summary(periods, lines) };
}

/** Return a probability in per cent as text. @param {number | null} value */
export function percentText(value) {
  return value === null ? "–" : `${quantity(value)}%`;
}

/** @param {Period[]} periods @param {Line[]} lines */
function summary(periods, lines) {
  const texts = lines.slice(0, READ_LINES).map(({ name, values }) => {
    const known = values.filter((value) => value !== null);
    const [first, last] = [known[0] ?? null, known[known.length - 1] ?? null];
    const extremes = known.length ? `low ${Math.min(...known)}%, high ${Math.max(...known)}%` : "no price";
    return `${name}: first ${percentText(first)}, last ${percentText(last)}, ${extremes}`;
  });
  const period = `${periodText(periods[0])} to ${periodText(periods[periods.length - 1])}`;
  return `Probabilities of ${quantity(lines.length)} outcomes from ${period}. ${texts.join("; ")}. Up and down arrows select an outcome.`;
}

/** Return the value of a line in a period, or the last one before it. @param {Line} line @param {number} index */
function valueAt({ values }, index) {
  return values.slice(0, index + 1).findLast((value) => value !== null) ?? null;
}

/** Return the lines with the highest values of a period. @param {Line[]} lines @param {number} index */
function highest(lines, index) {
  return lines
    .filter((line) => valueAt(line, index) !== null)
    .sort((a, b) => Number(valueAt(b, index)) - Number(valueAt(a, index)))
    .slice(0, READ_LINES);
}

/** @extends {ChartElement<LineData>} */
class LineChart extends ChartElement {
  /** @type {Map<string, Series>} */ #seriesById = new Map();
  /** @type {LineData | undefined} */ #shownData;
  /** @type {string | null} */ #selected = null;

  /**
   * @override
   * @param {import("./chart.js").Chart} chart
   * @param {import("./chart.js").Library} library
   * @param {LineData} data
   */
  draw(chart, library, data) {
    this.#shownData = data;
    this.#seriesById.clear();
    for (const [position, line] of [...data.lines.entries()].reverse()) {
      const series = chart.addSeries(library.LineSeries, {
        ...lineStyle(position, false),
        ...priceOptions(percentText),
        lastValueVisible: position < AXIS_LABELS,
        crosshairMarkerVisible: position < NAMED_LINES,
      });
      series.setData(points(line, data.times));
      this.#seriesById.set(line.id, series);
    }
    this.#highlight();
    return [...this.#seriesById.values()].reverse();
  }

  /** Return the value of the selected outcome, or the five highest. @override @param {LineData} data @param {number} index */
  read({ lines, periods }, index) {
    const selected = lines.find(({ id }) => id === this.#selected);
    const facts = (selected ? [selected] : highest(lines, index)).map((line) => ({
      label: line.name,
      value: percentText(valueAt(line, index)),
    }));
    return { period: periodText(periods[index]), facts };
  }

  /** @override @param {LineData} data @param {number} index */
  anchor(data, index) {
    return data.lines[0]?.values[index] ?? null;
  }

  /** @override @param {string} key @param {LineData} data */
  handleKey(key, { lines }) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[key];
    if (!step || !lines.length) {
      return false;
    }
    const present = lines.findIndex(({ id }) => id === this.#selected);
    this.#select(lines[(present < 0 && step < 0 ? lines.length - 1 : present + step + lines.length) % lines.length].id);
    this.speak();
    return true;
  }

  /** @override @param {LineData} data */
  legend({ lines }) {
    const rest = lines.length - NAMED_LINES;
    return html`<div class="chart-lines" role="group" aria-label="Highlight an outcome">
      ${lines.slice(0, NAMED_LINES).map(({ id, name, values }, position) => this.#button(id, name, values, position))}
      ${rest > 0 ? html`<span class="key key-other muted">${quantity(rest)} more</span>` : nothing}
    </div>`;
  }

  /** @param {string} id @param {string} name @param {(number | null)[]} values @param {number} position */
  #button(id, name, values, position) {
    const last = values.findLast((value) => value !== null) ?? null;
    return html`<button
      type="button"
      class="key key-${position + 1}"
      aria-pressed=${this.#selected === id}
      @click=${() => this.#select(this.#selected === id ? null : id)}
    >
      <bdi>${name}</bdi> ${percentText(last)}
    </button>`;
  }

  /** @param {string | null} id */
  #select(id) {
    this.#selected = id;
    this.#highlight();
    this.refreshTexts();
  }

  #highlight() {
    for (const [position, { id }] of (this.#shownData?.lines ?? []).entries()) {
      this.#seriesById.get(id)?.applyOptions(lineStyle(position, id === this.#selected));
    }
  }
}

/** @param {number} position @param {boolean} selected */
function lineStyle(position, selected) {
  const name = position < NAMED_LINES ? `--series-${position + 1}` : selected ? "--text" : "--series-other";
  return { color: color(name), lineWidth: /** @type {1 | 2 | 4} */ (selected ? 4 : position < NAMED_LINES ? 2 : 1) };
}

/** @param {Line} line @param {number[]} times */
function points({ values }, times) {
  return times.map((instant, index) => {
    const time = /** @type {AxisTime} */ (instant);
    const value = values[index];
    return value === null ? { time } : { time, value };
  });
}

customElements.define("line-chart", LineChart);
