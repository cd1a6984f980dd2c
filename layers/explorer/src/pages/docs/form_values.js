/** Values of the form: they are the page's URL, and make the request. */

/** @typedef {import("./openapi.js").Operation} Operation */
/** @typedef {import("../../lib/api.js").ApiRequest} ApiRequest */

const OPERATION = "operation";
const BODY = "body";

/**
 * Return the operation that the URL names, or the first listing.
 *
 * @param {Operation[]} operations
 * @param {URLSearchParams} state
 */
export function selectedOperation(operations, state) {
  const named = operations.find(({ id }) => id === state.get(OPERATION));
  return named ?? operations.find(({ id }) => id === "GET /markets") ?? operations[0];
}

/**
 * Return the URL of this page with an operation, and values of its form.
 *
 * @param {string} id
 * @param {Iterable<[string, string]>} [values]
 */
export function operationUrl(id, values = []) {
  const parameters = new URLSearchParams([[OPERATION, id], ...values]);
  return `${location.pathname}?${parameters.toString().replaceAll("%2F", "/").replaceAll("%2C", ",").replaceAll("%3A", ":")}`;
}

/**
 * Return the values of the form by name. The value of the request body has the name "body".
 *
 * @param {URLSearchParams} state
 * @returns {Map<string, string>}
 */
export function formValues(state) {
  return new Map([...state].filter(([name]) => name !== OPERATION));
}

/**
 * Return the request that the values make. Throw a SyntaxError if the body is no JSON.
 *
 * @param {Operation} operation
 * @param {Map<string, string>} values
 * @param {string} exampleBody Body without a value.
 * @returns {ApiRequest}
 */
export function requestOf(operation, values, exampleBody) {
  const inPath = new Set(operation.parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name));
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values.get(name) ?? ""));
  const query = [...values].filter(([name]) => !inPath.has(name) && name !== BODY);
  return {
    path,
    parameters: operation.body ? {} : new URLSearchParams(query),
    ...(operation.body && { body: JSON.parse(values.get(BODY) ?? exampleBody) }),
  };
}
