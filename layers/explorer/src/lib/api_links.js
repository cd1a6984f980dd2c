/** Links to responses of the API, such as CSV. A link cannot send a key: with a key, a request replaces it. */

import { ApiFailure, parsedJson, receiveText } from "./api.js";
import { apiKey } from "./api_key.js";
import { render } from "./html.js";
import { failureView } from "./states.js";

/** Paths that need no key: pages, assets and the guide for language models. */
const OPEN = /^\/($|(explore|docs|assets)(\/|$)|llms\.txt$)/;

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (apiKey() !== "" && link?.href.startsWith(`${location.origin}/`) && !OPEN.test(link.pathname)) {
    event.preventDefault();
    save(link);
  }
});

/**
 * Start the download of a text.
 *
 * @param {string} text
 * @param {string} fileName
 * @param {string} [type] Media type.
 */
export function download(text, fileName, type = "text/csv") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * Save the response that a link leads to as a file. A failure is shown after the link.
 *
 * @param {HTMLAnchorElement} link
 */
async function save(link) {
  removeFailure(link);
  try {
    const { response, text } = await receiveText({ path: link.pathname + link.search }, {});
    if (!response.ok) {
      throw ApiFailure.of(response, parsedJson(text));
    }
    const fileName = link.download || `${link.pathname.split("/").at(-1)}`.replace(/(\.json)?$/, ".json");
    download(text, fileName, response.headers.get("content-type") ?? "text/plain");
  } catch (error) {
    const container = document.createElement("div");
    container.className = "link-failure";
    render(failureView(error, null, { compact: true }), container);
    removeFailure(link); // of another click, whose request ran at the same time
    link.after(container);
  }
}

/** @param {HTMLAnchorElement} link */
function removeFailure(link) {
  if (link.nextElementSibling?.className === "link-failure") {
    link.nextElementSibling.remove();
  }
}
