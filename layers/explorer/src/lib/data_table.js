/** Tables of rows: a caption, sortable headers that are links, and cells that never move the layout. */

import { html, nothing } from "./html.js";

/**
 * Column of a table.
 *
 * @template Row
 * @typedef {object} Column
 * @property {string} name Heading.
 * @property {(row: Row) => unknown} cell View of a cell.
 * @property {boolean} [numeric] Whether cells are aligned to the right.
 * @property {boolean} [wide] Whether the column takes the remaining width, and its text wraps.
 * @property {boolean} [optional] Whether narrow screens leave the column out.
 * @property {string} [hint] Explanation of the heading.
 * @property {SortLink} [sort] Link that sorts by this column.
 */

/**
 * Link that sorts a table.
 *
 * @typedef {object} SortLink
 * @property {string} url
 * @property {"ascending" | "descending" | null} direction Present direction, or null if the table has another order.
 */

/**
 * Return a table.
 *
 * @template Row
 * @param {string} caption Subject of the table, for screen readers.
 * @param {Column<Row>[]} columns
 * @param {Row[]} rows
 */
export function dataTable(caption, columns, rows) {
  return html`<div class="table-scroll" tabindex="0" role="region" aria-label=${caption}>
    <table>
      <caption class="hidden">
        ${caption}
      </caption>
      <thead>
        <tr>
          ${columns.map(headingView)}
        </tr>
      </thead>
      <tbody>
        ${rows.map((row) => html`<tr>${columns.map((column) => html`<td class=${classes(column)}>${column.cell(row)}</td>`)}</tr>`)}
      </tbody>
    </table>
  </div>`;
}

/** @param {Column<any>} column */
function headingView(column) {
  const { name, sort, hint } = column;
  const label = sort
    ? html`<a href=${sort.url} data-state>${name}<span class="arrow" aria-hidden="true"></span></a>`
    : name;
  return html`<th scope="col" class=${classes(column)} title=${hint ?? nothing} aria-sort=${sort?.direction ?? nothing}>
    ${label}
  </th>`;
}

/** @param {Column<any>} column */
function classes({ numeric, wide, optional }) {
  return [numeric ? "numeric" : "", wide ? "wide" : "", optional ? "optional" : ""].filter(Boolean).join(" ");
}
