/** Health of a job of the crawler: one word from its state. */

/** Words for the health of a job, the most urgent first. */
export const HEALTH = /** @type {Record<string, {label: string, about: string}>} */ ({
  failing: {
    label: "failing",
    about: "The last request failed. The job continues at the time under “Error”; the data before it stays.",
  },
  late: {
    label: "late",
    about: "The last complete pass is older than three times the usual interval, and more than ten minutes.",
  },
  first: { label: "first pass", about: "The job has not completed a pass yet: it is reading, or waits for its turn." },
  ok: { label: "healthy", about: "The last complete pass is recent, or the job runs only once and has finished." },
});

const MINUTES = /** @type {Record<string, number>} */ ({ "changed/created": 1, "changed/updated": 1, settled: 1 });
const HOURLY = new Set(["limits", "series", "settled/recheck", "rejects", "retention"]);
const ONCE = new Set(["settled/backlog", "archive"]);

/**
 * Return the health of a job: failing, late, first or ok.
 *
 * @param {any} job Job of GET /status.
 */
export function jobHealth({ job, last_error: lastError, confirmed_at: confirmedAt, lag_seconds: lagSeconds }) {
  if (lastError !== null) {
    return "failing";
  }
  if (confirmedAt === null) {
    return "first";
  }
  return lagSeconds > lateSeconds(job) ? "late" : "ok";
}

/** Return the lag in seconds after which a job is late. @param {string} job */
function lateSeconds(job) {
  if (ONCE.has(job)) {
    return Number.POSITIVE_INFINITY;
  }
  const minutes = HOURLY.has(job) ? 60 : (MINUTES[job] ?? 5);
  return Math.max(3 * minutes, 10) * 60;
}
