/** Texts that repeat a request elsewhere: its URL, curl, Python and pandas. */

import { requestPath, withParameters } from "./api.js";

/** @typedef {import("./api.js").ApiRequest} ApiRequest */

/**
 * Return the texts that repeat a request.
 *
 * @param {ApiRequest} request
 * @param {object} options
 * @param {boolean} options.hasCsv Whether the API has the response as CSV.
 * @param {string} options.list Member of the JSON response that has the rows.
 * @returns {[string, string][]} Name and text of each.
 */
export function snippets(request, { hasCsv, list }) {
  const url = location.origin + requestPath(request);
  const json = request.body ? `, json=${pythonLiteral(request.body)}` : "";
  const method = request.body ? "post" : "get";
  const call = `httpx.${method}(${pythonLiteral(url)}${json}, timeout=30).raise_for_status().json()`;
  const frame = `import httpx\nimport pandas as pd\n\nframe = pd.json_normalize(${call}[${pythonLiteral(list)}])`;
  const csvUrl = location.origin + requestPath(withParameters(request, { format: "csv" }));
  return [
    ["URL", url],
    ["curl", curl(url, request.body)],
    ["Python", `import httpx\n\nresponse = ${call}`],
    ["pandas", hasCsv ? `import pandas as pd\n\nframe = pd.read_csv(${pythonLiteral(csvUrl)})` : frame],
  ];
}

/** @param {string} url @param {object | undefined} body */
function curl(url, body) {
  const data = body ? ` -H 'content-type: application/json' -d ${shellQuoted(JSON.stringify(body))}` : "";
  return `curl ${shellQuoted(url)}${data}`;
}

/** @param {string} text */
function shellQuoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Return a JSON value as Python source. @param {unknown} value @returns {string} */
function pythonLiteral(value) {
  if (Array.isArray(value)) {
    return `[${value.map(pythonLiteral).join(", ")}]`;
  }
  if (value !== null && typeof value === "object") {
    return `{${Object.entries(value)
      .map(([name, member]) => `${JSON.stringify(name)}: ${pythonLiteral(member)}`)
      .join(", ")}}`;
  }
  const words = new Map(
    /** @type {[unknown, string][]} */ ([
      [true, "True"],
      [false, "False"],
      [null, "None"],
    ]),
  );
  return words.get(value) ?? JSON.stringify(value);
}
