/** Client of the service's own HTTP API. A request is a value, so that a page can send it and show it. */

import { apiKey, KEY_HEADER, otherKey } from "./api_key.js";

/** @typedef {string | number | boolean | null | undefined} ParameterValue */

/**
 * Request of the API.
 *
 * @typedef {object} ApiRequest
 * @property {string} path Path, with each part percent-encoded.
 * @property {Record<string, ParameterValue> | URLSearchParams} [parameters] Query parameters; null and undefined are left out.
 * @property {object} [body] JSON body. A request with a body is a POST.
 */

/**
 * Response of the API.
 *
 * @typedef {object} ApiResponse
 * @property {any} data Parsed JSON body.
 * @property {string | null} crawledAt Time of the crawler's last confirmation, in ISO 8601.
 * @property {string | null} nextCursor Cursor of the next page.
 */

/** Error response of the API, or a request that got no response (status 0). */
export class ApiFailure extends Error {
  /**
   * @param {number} status HTTP status, or 0.
   * @param {string} code Stable error code, such as query_timeout; "network" without a response.
   * @param {string} message Sentences for a person.
   * @param {string} hint Next step, or an empty string.
   * @param {string} requestId Identifier for the logs, or an empty string.
   */
  constructor(status, code, message, hint, requestId) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
    this.requestId = requestId;
  }

  /** @param {Response} response @param {any} body */
  static of(response, body) {
    if (response.status === 401) {
      const hint = "Programs can send one; the pages cannot.";
      return new ApiFailure(401, "unauthorized", "The service requires a token in the header authorization.", hint, "");
    }
    const detail = body?.detail ?? body?.message ?? `The service responded with status ${response.status}.`;
    const sentences = Array.isArray(detail)
      ? detail.map((problem) => `${problem.loc.at(-1)}: ${problem.msg}`).join(" ")
      : String(detail);
    const code = body?.code ?? (response.status === 429 ? "too_many_requests" : "unavailable");
    return new ApiFailure(response.status, code, sentences, body?.hint ?? "", body?.request_id ?? "");
  }
}

/**
 * Return the path and query string of a request.
 *
 * @param {ApiRequest} request
 */
export function requestPath(request) {
  const query = queryString(request.parameters ?? {});
  return query ? `${request.path}?${query}` : request.path;
}

/**
 * Return a request with further parameters. They replace parameters of the same name.
 *
 * @param {ApiRequest} request
 * @param {Record<string, ParameterValue>} parameters
 * @returns {ApiRequest}
 */
export function withParameters(request, parameters) {
  const present =
    request.parameters instanceof URLSearchParams ? Object.fromEntries(request.parameters) : request.parameters;
  return { ...request, parameters: { ...present, ...parameters } };
}

/**
 * Send a request and return its response. Throw an ApiFailure for any other response than a success.
 *
 * @param {ApiRequest} request
 * @param {AbortSignal} [signal] Aborts the request with an AbortError.
 * @returns {Promise<ApiResponse>}
 */
export async function send(request, signal) {
  const { response, text } = await receiveText(request, { signal });
  const body = parsedJson(text);
  if (!response.ok || body === null) {
    throw ApiFailure.of(response, body);
  }
  return {
    data: body,
    crawledAt: response.headers.get("x-crawled-at"),
    nextCursor: response.headers.get("x-next-cursor"),
  };
}

/**
 * Send a request and return its response, whatever its status, with its body. Throw an ApiFailure without a response.
 * If the service requires an API key, wait for a key that it accepts.
 *
 * @param {ApiRequest} request
 * @param {RequestInit} options Further options of fetch.
 */
export async function receiveText(request, options) {
  let key = apiKey();
  let received = await fetchText(request, key, options);
  while (isKeyRejection(received.response)) {
    key = await otherKey(key);
    received = await fetchText(request, key, options);
  }
  return received;
}

/** Return whether API Gateway rejected the key of a request. With tokens it names their scheme. @param {Response} response */
function isKeyRejection({ status, headers }) {
  return (status === 401 || status === 403) && !headers.has("www-authenticate");
}

/** @param {ApiRequest} request @param {string} key @param {RequestInit} options */
async function fetchText(request, key, options) {
  /** @type {Record<string, string>} */
  const headers = key === "" ? {} : { [KEY_HEADER]: key };
  if (request.body) {
    headers["content-type"] = "application/json";
  }
  const post = request.body ? { method: "POST", body: JSON.stringify(request.body) } : {};
  try {
    const response = await fetch(requestPath(request), { ...post, headers, ...options });
    return { response, text: await response.text() };
  } catch {
    options.signal?.throwIfAborted();
    throw new ApiFailure(0, "network", "The service did not respond.", "Check the connection, then retry.", "");
  }
}

/** Return the value of a JSON text, or null if it is none. @param {string} text */
export function parsedJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @param {Record<string, ParameterValue> | URLSearchParams} parameters */
function queryString(parameters) {
  const pairs = parameters instanceof URLSearchParams ? [...parameters] : Object.entries(parameters);
  return pairs
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => `${encode(name)}=${encode(String(value))}`)
    .join("&");
}

/** Encode a value for a query string; commas and colons stay readable. @param {string} value */
function encode(value) {
  return encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%20", "+");
}
