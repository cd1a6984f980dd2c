/** API key of a service that requires one: a page asks for it once, keeps it in the browser and sends it as a header. */

import { html, nothing, render } from "./html.js";

/** Header of the key. */
export const KEY_HEADER = "x-api-key";
/** Text for the key in requests to take away. */
export const KEY_PLACEHOLDER = "YOUR_API_KEY";
/** Name in localStorage, which other tabs read, too: links open in new ones. */
const NAME = "api-key";

/** Key for this page alone, if the browser does not store it. */
let pageKey = "";
/** @type {Promise<string> | null} Key that the form asks for at present. */
let entered = null;

/** Return the key, or an empty string. */
export function apiKey() {
  try {
    return localStorage.getItem(NAME) ?? pageKey;
  } catch {
    return pageKey; // the browser permits no storage
  }
}

/**
 * Return another key than one that the service did not accept. All requests that wait for it share one form.
 *
 * @param {string} rejected Empty: the request had no key.
 * @returns {Promise<string>}
 */
export async function otherKey(rejected) {
  const key = apiKey();
  if (key !== rejected && key !== "") {
    return key; // entered meanwhile, perhaps in another tab
  }
  entered ??= askForKey(rejected !== "");
  return entered;
}

/** @param {boolean} wasRejected */
async function askForKey(wasRejected) {
  const container = document.createElement("div");
  document.querySelector(".site-header")?.after(container);
  const key = await new Promise((resolve) => {
    render(formView(wasRejected, resolve), container);
    addEventListener("storage", () => apiKey() !== "" && resolve(apiKey())); // entered in another tab
    if (document.activeElement === document.body) {
      container.querySelector("input")?.focus();
    }
  });
  container.remove();
  store(key);
  entered = null;
  return key;
}

/** @param {boolean} wasRejected @param {(key: string) => void} submitted */
function formView(wasRejected, submitted) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    submitted(String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("key")).trim());
  };
  return html`<section class="api-key" aria-labelledby="api-key-label">
    <form class="notice" @submit=${submit}>
      <label id="api-key-label" for="api-key"><strong>API key</strong></label>
      <input
        id="api-key"
        name="key"
        type="password"
        autocomplete="off"
        required
        pattern="\\s*[!-~]+\\s*"
        title="Letters, digits and signs, without spaces"
        aria-describedby="api-key-about"
        aria-invalid=${wasRejected ? "true" : nothing}
      />
      <button class="primary">Use this key</button>
      <span id="api-key-about" role=${wasRejected ? "alert" : "status"}>
        ${wasRejected ? "The service rejected the key. Enter another one." : "This service requires a key. This browser keeps it until you remove it."}
      </span>
    </form>
  </section>`;
}

/** @param {string} key */
function store(key) {
  try {
    localStorage.setItem(NAME, key);
  } catch {
    pageKey = key;
  }
  showForgetButton();
}

/** Show the button that removes the key, if there is a key. */
function showForgetButton() {
  const footer = document.querySelector(".site-footer");
  if (apiKey() === "" || !footer || footer.querySelector("button")) {
    return;
  }
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Forget the API key";
  button.addEventListener("click", () => {
    try {
      localStorage.removeItem(NAME);
    } catch {
      // It was not stored.
    }
    location.reload();
  });
  footer.append(" ", button);
}

showForgetButton();
