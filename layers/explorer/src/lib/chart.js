/** Frame of the charts: the library, its theme, a text summary, and a reading that pointer and arrow keys move. */

import { html, nothing, render } from "./html.js";

/** @typedef {typeof import("../vendor/lightweight-charts.js")} Library */
/** @typedef {import("../vendor/lightweight-charts.js").IChartApi} Chart */
/** @typedef {import("../vendor/lightweight-charts.js").ISeriesApi<any>} Series */
/** @typedef {import("../vendor/lightweight-charts.js").UTCTimestamp} AxisTime */
/** @typedef {{label: string, value: string}} Fact Part of a reading, such as {label: "close", value: "41¢"}. */
/** @typedef {{period: string, facts: Fact[]}} Reading */

/**
 * Data of a chart. Subclasses add the values that they draw.
 *
 * @typedef {object} ChartData
 * @property {string} key Identity of what is shown. Data with another key resets the zoom and the reading.
 * @property {number[]} times Start of each period on the axis, from axisTimes.
 * @property {string} summary Text summary for screen readers.
 */

const KEYS = "Arrow keys read the values; Home and End go to the first and the last.";
const STEPS = /** @type {Record<string, number>} */ ({
  ArrowLeft: -1,
  ArrowRight: 1,
  PageUp: -10,
  PageDown: 10,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
});
const darkScheme = matchMedia("(prefers-color-scheme: dark)");

/**
 * Element of a chart. Its property `data` is what it shows.
 *
 * @template {ChartData} Data
 */
export class ChartElement extends HTMLElement {
  /** @type {Data | undefined} */ #data;
  /** @type {Library | undefined} */ #library;
  /** @type {Chart | undefined} */ chart;
  /** @type {Series[]} */ #series = [];
  /** @type {number | null} */ #index = null;
  /** @type {string | undefined} */ #drawnKey;
  #spoken = "";
  #failed = false;

  /** @param {Data} data */
  set data(data) {
    if (data !== this.#data) {
      if (data.key !== this.#data?.key) {
        this.#index = null;
        this.#spoken = "";
      }
      this.#data = data;
      this.refresh();
    }
  }

  connectedCallback() {
    darkScheme.addEventListener("change", this.#restyle);
    this.#start();
  }

  disconnectedCallback() {
    darkScheme.removeEventListener("change", this.#restyle);
    this.chart?.remove();
    this.chart = undefined;
    this.#series = [];
    this.#drawnKey = undefined;
  }

  /**
   * Draw the data, and return the series. The first one has the crosshair of the keyboard.
   *
   * @param {Chart} _chart
   * @param {Library} _library
   * @param {Data} _data
   * @returns {Series[]}
   */
  draw(_chart, _library, _data) {
    return [];
  }

  /** Return the reading of a period. @param {Data} _data @param {number} _index @returns {Reading} */
  read(_data, _index) {
    return { period: "", facts: [] };
  }

  /** Return the value at which the crosshair of the keyboard is, or null. @param {Data} _data @param {number} _index */
  anchor(_data, _index) {
    return /** @type {number | null} */ (null);
  }

  /** Return views of the chart's colors. @param {Data} _data @returns {unknown} */
  legend(_data) {
    return nothing;
  }

  /**
   * Handle a key that is not one of the frame, and return whether it was handled. The data may not be drawn yet.
   *
   * @param {string} _key
   * @param {Data} _data
   */
  handleKey(_key, _data) {
    return false;
  }

  /** Render the texts and draw the data. */
  refresh() {
    if (this.isConnected && this.#data) {
      this.#render(this.#data);
      this.#draw(this.#data);
    }
  }

  /** Render the texts only. */
  refreshTexts() {
    if (this.#data) {
      this.#render(this.#data);
    }
  }

  /** Speak the reading of the present period. */
  speak() {
    if (this.#data) {
      const { period, facts } = this.read(this.#data, this.#position(this.#data));
      this.#spoken = `${period}: ${facts.map(({ label, value }) => `${label} ${value}`).join(", ")}`;
      this.#render(this.#data);
    }
  }

  async #start() {
    this.refresh();
    try {
      this.#library ??= await import("../vendor/lightweight-charts.js");
    } catch {
      this.#failed = true;
    }
    this.refresh();
  }

  #restyle = () => {
    this.chart?.applyOptions(theme());
    this.refresh();
  };

  /** @param {Data} data */
  #position(data) {
    return Math.min(this.#index ?? data.times.length - 1, data.times.length - 1);
  }

  /** @param {Data} data */
  #render(data) {
    const { period, facts } = this.read(data, this.#position(data));
    render(
      html`<p class="chart-reading">
          <strong>${period}</strong>
          ${facts.map(({ label, value }) => html`<span><span class="muted">${label}</span> <bdi>${value}</bdi></span>`)}
        </p>
        <div class="chart-box" tabindex="0" role="img" aria-label="${data.summary} ${KEYS}" @keydown=${this.#move}></div>
        <p class="hidden" aria-live="polite">${this.#spoken}</p>
        ${this.#failed ? html`<p>The chart could not be loaded. The table below has its data.</p>` : nothing}
        ${this.legend(data)}
        <p class="chart-notes">
          <span>${KEYS}</span>
          <a href="https://www.tradingview.com/" rel="noreferrer noopener"
            >Charts by TradingView Lightweight Charts™</a
          >
        </p>`,
      this,
    );
  }

  /** @param {Data} data */
  #draw(data) {
    if (!this.#library) {
      return;
    }
    this.chart ??= this.#create(this.#library);
    for (const series of this.#series) {
      this.chart.removeSeries(series);
    }
    this.#series = this.draw(this.chart, this.#library, data);
    if (data.key !== this.#drawnKey) {
      this.chart.timeScale().fitContent();
      this.#drawnKey = data.key;
    }
  }

  /** @param {Library} library */
  #create(library) {
    const box = /** @type {HTMLElement} */ (this.querySelector(".chart-box"));
    const chart = library.createChart(box, {
      autoSize: true,
      ...theme(),
      handleScroll: { mouseWheel: false, vertTouchDrag: false },
      handleScale: { mouseWheel: false },
      timeScale: { timeVisible: true, secondsVisible: false, minBarSpacing: 0.1, rightOffset: 2 },
      localization: { timeFormatter: () => "" },
      crosshair: { mode: library.CrosshairMode.Magnet, vertLine: { labelVisible: false } },
    });
    chart.subscribeCrosshairMove(({ logical, point }) => {
      const data = this.#data;
      if (data && point && logical !== undefined && logical !== null) {
        this.#index = Math.max(0, Math.min(Math.round(logical), data.times.length - 1));
        this.#render(data);
      }
    });
    return chart;
  }

  #move = (/** @type {KeyboardEvent} */ event) => {
    const data = this.#data;
    const step = STEPS[event.key];
    if (!data || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (step === undefined) {
      if (this.handleKey(event.key, data)) {
        event.preventDefault();
      }
      return;
    }
    event.preventDefault();
    const present = this.#index ?? (step < 0 ? data.times.length : data.times.length - 2);
    this.#index = Math.max(0, Math.min(present + step, data.times.length - 1));
    const value = this.anchor(data, this.#index);
    if (value !== null && this.#series.length) {
      const time = /** @type {AxisTime} */ (data.times[this.#index]);
      this.chart?.setCrosshairPosition(value, time, this.#series[0]);
    }
    this.speak();
  };
}

/** Return a color of the style sheets, such as color("--yes"). @param {string} name */
export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * Return the options of a series of prices: its scale spans what is drawn, at least four cents, and never more than 0 to
 * 100.
 *
 * @param {(price: number) => string} text Returns the text of a price.
 */
export function priceOptions(text) {
  const formatter = (/** @type {number} */ price) => (price < 0 || price > 100 ? "" : text(price));
  return {
    priceLineVisible: false,
    priceFormat: { type: /** @type {const} */ ("custom"), formatter, minMove: 0.01 },
    autoscaleInfoProvider: (/** @type {() => any} */ original) => {
      const info = original();
      if (info?.priceRange) {
        const { minValue, maxValue } = info.priceRange;
        const margin = Math.max(0, 4 - (maxValue - minValue)) / 2;
        info.priceRange = { minValue: Math.max(0, minValue - margin), maxValue: Math.min(100, maxValue + margin) };
      }
      return info;
    },
  };
}

/** Return the options of the present color scheme. */
function theme() {
  const line = color("--line");
  const crosshair = { color: color("--muted"), labelBackgroundColor: color("--muted") };
  return {
    layout: {
      attributionLogo: false,
      background: { color: color("--page") },
      textColor: color("--muted"),
      panes: { separatorColor: line, separatorHoverColor: line, enableResize: false },
    },
    grid: { vertLines: { color: "transparent" }, horzLines: { color: line } },
    crosshair: { vertLine: crosshair, horzLine: crosshair },
    rightPriceScale: { borderColor: line },
    timeScale: { borderColor: line },
  };
}
