/** Texts that repeat a request elsewhere: its URL, curl, Python and pandas. */

import { requestPath, withParameters } from "./api.js";
import { apiKey, KEY_HEADER, KEY_PLACEHOLDER } from "./api_key.js";

/** @typedef {import("./api.js").ApiRequest} ApiRequest */

/**
 * Return the texts that repeat a request. If the page has an API key, they have its header with a placeholder.
 *
 * @param {ApiRequest} request
 * @param {object} options
 * @param {boolean} options.hasCsv Whether the API has the response as CSV.
 * @param {string | null} options.list Path to the rows in the JSON response, such as "rejects.newest". Null: the
 *   response is one row. A "*" stands for each member, whose name becomes an index of the frame.
 * @returns {[string, string][]} Name and text of each.
 */
export function snippets(request, { hasCsv, list }) {
  const url = location.origin + requestPath(request);
  const json = request.body ? `, json=${pythonLiteral(request.body)}` : "";
  const method = request.body ? "post" : "get";
  const key = apiKey() === "" ? null : pythonLiteral({ [KEY_HEADER]: KEY_PLACEHOLDER });
  const headers = key ? `, headers=${key}` : "";
  const call = `httpx.${method}(${pythonLiteral(url)}${json}${headers}, timeout=30).raise_for_status().json()`;
  const csvUrl = location.origin + requestPath(withParameters(request, { format: "csv" }));
  return [
    ["URL", url],
    ["curl", curl(url, request.body)],
    ["Python", `import httpx\n\nresponse = ${call}`],
    [
      "pandas",
      hasCsv
        ? `import pandas as pd\n\nframe = pd.read_csv(${pythonLiteral(csvUrl)}${key ? `, storage_options=${key}` : ""})`
        : `import httpx\nimport pandas as pd\n\nresponse = ${call}\nframe = ${frameSource(list)}`,
    ],
  ];
}

/** Return Python source for the data frame of a response's rows. @param {string | null} list */
function frameSource(list) {
  const [outer, inner] = (list ?? "").split(".*.").map(memberSource);
  return inner === undefined
    ? `pd.json_normalize(response${outer})`
    : `pd.concat({name: pd.json_normalize(each${inner} or []) for name, each in response${outer}.items()})`;
}

/** Return Python source for the member at a path. @param {string} path */
function memberSource(path) {
  const names = path ? path.split(".") : [];
  return names.map((name) => `[${pythonLiteral(name)}]`).join("");
}

/** @param {string} url @param {object | undefined} body */
function curl(url, body) {
  const data = body ? ` -H 'content-type: application/json' -d ${shellQuoted(JSON.stringify(body))}` : "";
  const key = apiKey() === "" ? "" : ` -H '${KEY_HEADER}: ${KEY_PLACEHOLDER}'`;
  return `curl ${shellQuoted(url)}${key}${data}`;
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
