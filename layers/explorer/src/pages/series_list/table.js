/** Table of series. */

import { dataTable } from "../../lib/data_table.js";
import { compactQuantity, quantity } from "../../lib/format.js";
import { html } from "../../lib/html.js";
import { seriesPath } from "../../lib/market_views.js";
import { stateUrl } from "../../lib/url_state.js";

/** Values that loaded rows can be sorted by. */
const SORT_VALUES = /** @type {Record<string, (row: any) => number | undefined>} */ ({
  open: (row) => row.market_counts?.by_status.active,
  volume: (row) => row.market_counts?.volume_24h,
});

/**
 * Return rows in descending order of a value; rows without it come last.
 *
 * @param {any[]} rows
 * @param {string | null} sort
 */
export function sortedRows(rows, sort) {
  const value = SORT_VALUES[sort ?? ""];
  return value ? rows.toSorted((one, other) => (value(other) ?? -1) - (value(one) ?? -1)) : rows;
}

/**
 * Return the table of series.
 *
 * @param {any[]} rows
 * @param {URLSearchParams} state
 */
export function seriesTable(rows, state) {
  return dataTable(
    "Series",
    [
      { name: "Series", wide: true, cell: seriesLink },
      { name: "Category", optional: true, cell: (row) => html`<bdi>${row.category ?? "–"}</bdi>` },
      { name: "Frequency", optional: true, cell: (row) => row.frequency?.replaceAll("_", " ") ?? "–" },
      { name: "Markets", numeric: true, cell: (row) => quantity(row.market_counts?.markets ?? row.ranked_markets) },
      { name: "Open", numeric: true, sort: sortLink("open", state), cell: (row) => openMarkets(row) },
      {
        name: "Volume 24 h",
        numeric: true,
        hint: "Contracts traded within 24 hours, of markets that are not settled",
        sort: sortLink("volume", state),
        cell: (row) => compactQuantity(row.market_counts?.volume_24h),
      },
    ],
    rows,
  );
}

/** @param {any} row */
function seriesLink({ series_ticker: ticker, title }) {
  return html`<a class="market-link" href=${seriesPath(ticker)}
    ><bdi class="title">${title || ticker}</bdi> <span class="outcome">${ticker}</span></a
  >`;
}

/** @param {any} row */
function openMarkets({ market_counts: counts }) {
  return counts ? quantity(counts.by_status.active ?? 0) : "–";
}

/** @param {string} name @param {URLSearchParams} state @returns {import("../../lib/data_table.js").SortLink} */
function sortLink(name, state) {
  const sorted = state.get("sort") === name;
  return { url: stateUrl(state, { sort: sorted ? null : name }), direction: sorted ? "descending" : null };
}
