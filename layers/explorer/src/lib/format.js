/** Texts of values: English words with the number and time formats of the viewer's region. */

const MISSING = "–";
const LOCALE = regionalEnglish(navigator.language);
const NUMBER = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 2 });
const COMPACT = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumFractionDigits: 1 });
const RELATIVE = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto" });
const LOCAL_TIME = new Intl.DateTimeFormat(LOCALE, timeOptions());
const NEW_YORK_TIME = new Intl.DateTimeFormat(LOCALE, { ...timeOptions(), timeZone: "America/New_York" });
const NEW_YORK_DAY = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeZone: "America/New_York" });
const UNITS = /** @type {const} */ ([
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
]);

/** @typedef {number | string | null | undefined} Decimal Number, or decimal text of the exchange. */

/**
 * Return a price in cents, such as 41¢ or 0.5¢.
 *
 * @param {Decimal} dollars
 */
export function price(dollars) {
  return isMissing(dollars) ? MISSING : `${NUMBER.format(hundredfold(dollars))}¢`;
}

/**
 * Return a change of a price in cents with its sign, such as +3¢.
 *
 * @param {Decimal} dollars
 */
export function priceChange(dollars) {
  if (isMissing(dollars)) {
    return MISSING;
  }
  const cents = hundredfold(dollars);
  const sign = cents > 0 ? "+" : cents < 0 ? "−" : "±";
  return `${sign}${NUMBER.format(Math.abs(cents))}¢`;
}

/**
 * Return the probability that a price stands for, such as 41% or 0.5%.
 *
 * @param {Decimal} dollars
 */
export function probability(dollars) {
  return isMissing(dollars) ? MISSING : `${NUMBER.format(hundredfold(dollars))}%`;
}

/**
 * Return a number with thousands separators and at most two decimal places.
 *
 * @param {Decimal} value
 */
export function quantity(value) {
  return isMissing(value) ? MISSING : NUMBER.format(Number(value));
}

/**
 * Return a short number, such as 22.9M.
 *
 * @param {Decimal} value
 */
export function compactQuantity(value) {
  return isMissing(value) ? MISSING : COMPACT.format(Number(value));
}

/**
 * Return a time in the viewer's zone, with the zone.
 *
 * @param {string | null | undefined} time ISO 8601.
 */
export function localTime(time) {
  return time ? LOCAL_TIME.format(new Date(time)) : MISSING;
}

/**
 * Return a time in the exchange's zone, New York, with the zone.
 *
 * @param {string | null | undefined} time ISO 8601.
 */
export function newYorkTime(time) {
  return time ? NEW_YORK_TIME.format(new Date(time)) : MISSING;
}

/**
 * Return a period in the viewer's zone, with the zone.
 *
 * @param {number} start Unix seconds.
 * @param {number} end Unix seconds.
 */
export function localPeriod(start, end) {
  return LOCAL_TIME.formatRange(start * 1000, end * 1000);
}

/**
 * Return the date in New York of a time.
 *
 * @param {number} time Unix seconds.
 */
export function newYorkDay(time) {
  return NEW_YORK_DAY.format(time * 1000);
}

/**
 * Return a time relative to now, such as "2 hours ago" or "in 3 days".
 *
 * @param {string | null | undefined} time ISO 8601.
 */
export function relativeTime(time) {
  if (!time) {
    return MISSING;
  }
  const seconds = (Date.parse(time) - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return RELATIVE.format(Math.trunc(seconds / size), unit);
}

/** Return whether a value is absent. @param {unknown} value @returns {value is null | undefined | ""} */
export function isMissing(value) {
  return value === null || value === undefined || value === "";
}

/** Return dollars as cents, without the error of a binary fraction. @param {Decimal} dollars */
export function hundredfold(dollars) {
  return Math.round(Number(dollars) * 1e6) / 1e4;
}

/** @returns {Intl.DateTimeFormatOptions} */
function timeOptions() {
  return { year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" };
}

/**
 * Return the English locale of a language's region: de-DE gives en-DE.
 *
 * @param {string} language Language of the browser. On some systems it is no language tag, such as "en-US@posix".
 */
function regionalEnglish(language) {
  try {
    const { region } = new Intl.Locale(language).maximize();
    return region ? `en-${region}` : "en-US";
  } catch {
    return "en-US";
  }
}
