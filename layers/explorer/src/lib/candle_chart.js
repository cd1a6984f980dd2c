/** Chart of one market: candlesticks above, volumes beneath. */

import { axisTimes, periodText } from "./candlesticks.js";
import { ChartElement, color, priceOptions } from "./chart.js";
import { compactQuantity, quantity } from "./format.js";
import { html, nothing } from "./html.js";

/** @typedef {import("./candlesticks.js").Candle} Candle */
/** @typedef {import("./chart.js").AxisTime} AxisTime */
/** @typedef {{time: number, text: string}} Mark Text at a time, in Unix seconds, such as a change of the status. */
/** @typedef {import("./chart.js").ChartData & {candles: Candle[], marks: Mark[]}} CandleData */

/**
 * Return the data of a chart.
 *
 * @param {string} key
 * @param {Candle[]} candles At least one.
 * @param {Mark[]} marks
 * @returns {CandleData}
 */
export function candleData(key, candles, marks) {
  return { key, candles, marks, times: axisTimes(candles), summary: candleSummary(candles) };
}

/** Return a price in cents as text. @param {number | null} cents */
export function centsText(cents) {
  return cents === null ? "–" : `${quantity(cents)}¢`;
}

/**
 * Return the text summary of candles.
 *
 * @param {Candle[]} candles At least one.
 */
function candleSummary(candles) {
  const priced = candles.filter(({ close }) => close !== null);
  const period = `${periodText(candles[0])} to ${periodText(candles[candles.length - 1])}`;
  if (!priced.length) {
    return `No price is known from ${period}.`;
  }
  const lows = priced.map(({ low }) => Number(low));
  const highs = priced.map(({ high }) => Number(high));
  const volume = candles.reduce((sum, candle) => sum + candle.volume, 0);
  const idle = candles.filter(({ filled }) => filled).length;
  return (
    `Price of YES from ${period}: first ${centsText(priced[0].open)}, last ${centsText(priced[priced.length - 1].close)}, ` +
    `low ${centsText(Math.min(...lows))}, high ${centsText(Math.max(...highs))}, volume ${quantity(volume)} contracts. ` +
    `${quantity(idle)} of ${quantity(candles.length)} periods had no trade.`
  );
}

/** @param {Candle} candle @returns {import("./chart.js").Reading} */
function candleReading(candle) {
  const { open, high, low, close, bid, ask, volume, filled } = candle;
  const prices = filled
    ? [["no trade, price", centsText(close)]]
    : [
        ["open", centsText(open)],
        ["high", centsText(high)],
        ["low", centsText(low)],
        ["close", centsText(close)],
      ];
  const facts = [...prices, ["volume", quantity(volume)], ["bid", centsText(bid)], ["ask", centsText(ask)]];
  return { period: periodText(candle), facts: facts.map(([label, value]) => ({ label, value })) };
}

/** @extends {ChartElement<CandleData>} */
class CandleChart extends ChartElement {
  /**
   * @override
   * @param {import("./chart.js").Chart} chart
   * @param {import("./chart.js").Library} library
   * @param {CandleData} data
   */
  draw(chart, library, { candles, times, marks }) {
    const up = color("--yes");
    const down = color("--no");
    const quote = color("--quote");
    const prices = chart.addSeries(library.CandlestickSeries, {
      upColor: up,
      borderUpColor: up,
      wickUpColor: up,
      downColor: down,
      borderDownColor: down,
      wickDownColor: down,
      ...priceOptions(centsText),
    });
    prices.setData(candles.map((candle, index) => priceBar(candle, /** @type {AxisTime} */ (times[index]), quote)));
    const volumes = chart.addSeries(
      library.HistogramSeries,
      {
        color: color("--muted"),
        priceLineVisible: false,
        lastValueVisible: false,
        priceFormat: { type: "custom", formatter: compactQuantity, minMove: 0.01 },
      },
      1,
    );
    volumes.setData(
      candles.map(({ volume }, index) => ({ time: /** @type {AxisTime} */ (times[index]), value: volume })),
    );
    const panes = chart.panes();
    panes[0].setStretchFactor(4);
    panes[1].setStretchFactor(1);
    library.createSeriesMarkers(prices, markers(candles, times, marks, color("--text")));
    return [prices, volumes];
  }

  /** @override @param {CandleData} data @param {number} index */
  read({ candles }, index) {
    return candleReading(candles[index]);
  }

  /** @override @param {CandleData} data @param {number} index */
  anchor({ candles }, index) {
    return candles[index].close;
  }

  /** @override @param {CandleData} data */
  legend({ candles }) {
    return html`<p class="chart-notes">
      <span class="key key-up">Price rose</span><span class="key key-down">Price fell</span>
      <span class="key key-filled">Nobody traded: from bid to ask around their middle</span>
      ${candles.some(({ end, start }) => end - start === 86_400) ? html`<span>Days are New York days.</span>` : nothing}
    </p>`;
  }
}

/**
 * Return a bar. Where nobody traded it goes from bid to ask, if there are both.
 *
 * @param {Candle} candle
 * @param {AxisTime} time
 * @param {string} quote Color of a bar without a trade.
 */
function priceBar({ open, high, low, close, bid, ask, filled }, time, quote) {
  if (open === null || high === null || low === null || close === null) {
    return { time };
  }
  if (!filled) {
    return { time, open, high, low, close };
  }
  const quoted = bid !== null && ask !== null && bid > 0 && ask < 100 && bid <= close && close <= ask;
  const wick = quoted ? { high: ask, low: bid } : { high, low };
  return { time, open, close, ...wick, color: quote, borderColor: quote, wickColor: quote };
}

/**
 * Return the markers of the periods in which the marks are.
 *
 * @param {Candle[]} candles
 * @param {number[]} times
 * @param {Mark[]} marks
 * @param {string} textColor
 * @returns {import("../vendor/lightweight-charts.js").SeriesMarker<AxisTime>[]}
 */
function markers(candles, times, marks, textColor) {
  return marks.flatMap(({ time, text }) => {
    const index = candles.findIndex(({ start, end }) => start < time && time <= end);
    return index < 0
      ? []
      : [
          {
            time: /** @type {AxisTime} */ (times[index]),
            text,
            color: textColor,
            position: "aboveBar",
            shape: "arrowDown",
          },
        ];
  });
}

customElements.define("candle-chart", CandleChart);
