/** Query of markets: the parameters of GET /markets, as the URL of /explore has them. */

import { UNSETTLED } from "./market_views.js";

const PATH = "/explore";
/** Query that an empty query string stands for. */
const DEFAULT_QUERY = "status=active&order_by=volume_24h";
/** Parameters that select no markets. */
const PRESENTATION = ["limit", "fields"];
const ORDER = ["order_by", "order_direction"];
/** Parameters of one response, which are no part of a view. */
const RESPONSE_ONLY = ["format", "cursor", "offset", "count_total", "changed_since"];
/** Orders that the API restricts to markets that are not settled, and to single series and events. */
export const DAY_ORDERS = ["volume_24h", "price_change_24h_dollars"];

/** @typedef {Record<string, string | null>} Changes Value of each changed parameter; null removes it. */

/**
 * Return the complete query of a query string. A query string without filter and order stands for the default query.
 *
 * @param {string} search
 */
export function parseQuery(search) {
  const query = new URLSearchParams(search);
  for (const name of RESPONSE_ONLY) {
    query.delete(name);
  }
  if (query.get("search")?.trim() === "") {
    query.delete("search");
  }
  return isDefault(query) ? new URLSearchParams([...new URLSearchParams(DEFAULT_QUERY), ...query]) : query;
}

/**
 * Return the URL of a query with changes. The number of rows starts anew. An order that the changed filters do not
 * permit is removed.
 *
 * @param {URLSearchParams} query Complete query.
 * @param {Changes} changes
 */
export function queryUrl(query, changes) {
  const changed = withChanges(query, { limit: null, ...changes });
  if (DAY_ORDERS.includes(changed.get("order_by") ?? "") && !permitsDayOrders(changed)) {
    changed.delete("order_by");
    changed.delete("order_direction");
  }
  if (withoutPresentation(changed).toString() === DEFAULT_QUERY) {
    changed.delete("status");
    changed.delete("order_by");
  } else if (isDefault(changed)) {
    changed.set("order_by", "recent");
  }
  const text = changed.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return text ? `${PATH}?${text}` : PATH;
}

/**
 * Return a query with changes: filters by name, then order, fields and limit.
 *
 * @param {URLSearchParams} query
 * @param {Changes} changes
 */
export function withChanges(query, changes) {
  const changed = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) {
      changed.delete(name);
    } else {
      changed.set(name, value);
    }
  }
  changed.sort();
  return inReadingOrder(changed);
}

/** Return the filters of a query: its parameters without order and presentation. @param {URLSearchParams} query */
export function filtersOf(query) {
  return [...query].filter(([name]) => ![...PRESENTATION, ...ORDER].includes(name));
}

/** Return whether the API accepts an order by 24 hours with these filters. @param {URLSearchParams} query */
export function permitsDayOrders(query) {
  const statuses = [...parseList(query.get("status__in") ?? ""), query.get("status") ?? ""].filter(Boolean);
  const isNarrow = ["series_ticker", "series_ticker__in", "event_ticker", "event_ticker__in"].some((name) =>
    query.get(name),
  );
  return isNarrow || (statuses.length > 0 && statuses.every((status) => UNSETTLED.split(",").includes(status)));
}

/**
 * Return the values that a query selects of a column by `=`, `__in` and `__isnull=true`; null is a missing value.
 *
 * @param {URLSearchParams} query
 * @param {string} column
 * @returns {(string | null)[]}
 */
export function selectedValues(query, column) {
  const single = query.get(column);
  const list = query.get(`${column}__in`);
  const missing = query.get(`${column}__isnull`) === "true" ? [null] : [];
  return [...(single === null ? [] : [single]), ...(list === null ? [] : parseList(list)), ...missing];
}

/**
 * Return the changes that make a query select exactly these values of a column. A missing value is selected alone,
 * because the API has no filter for it and for other values at once.
 *
 * @param {string} column
 * @param {(string | null)[]} values
 * @returns {Changes}
 */
export function selectValues(column, values) {
  const none = { [column]: null, [`${column}__in`]: null, [`${column}__isnull`]: null };
  const texts = values.filter((value) => value !== null);
  if (values.length > texts.length) {
    return { ...none, [`${column}__isnull`]: "true" };
  }
  if (texts.length < 2) {
    return { ...none, [column]: texts[0] ?? null };
  }
  return { ...none, [`${column}__in`]: texts.map(listValue).join(",") };
}

/**
 * Return the values of a list parameter, which is one line of CSV.
 *
 * @param {string} text
 */
export function parseList(text) {
  return [...`,${text}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain,
  );
}

/** @param {string} value */
function listValue(value) {
  return /[",]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Return whether a query has neither filter nor order. @param {URLSearchParams} query */
function isDefault(query) {
  return withoutPresentation(query).size === 0;
}

/** @param {URLSearchParams} query */
function withoutPresentation(query) {
  return new URLSearchParams([...query].filter(([name]) => !PRESENTATION.includes(name)));
}

/** Return a query with the filters first, then order and presentation. @param {URLSearchParams} query */
function inReadingOrder(query) {
  const last = [...ORDER, ...PRESENTATION];
  const tail = last.flatMap((name) => (query.has(name) ? [[name, query.get(name) ?? ""]] : []));
  return new URLSearchParams([...[...query].filter(([name]) => !last.includes(name)), ...tail]);
}
