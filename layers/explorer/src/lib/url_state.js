/** State of a page: the query string of its URL, nothing else. */

/** Path and query string of the state that the listeners know. A fragment is no part of it. */
let known = location.pathname + location.search;

/** Return the parameters of the present URL. */
export function readState() {
  return new URLSearchParams(location.search);
}

/** Return the last part of the path, decoded. A part with a malformed escape is returned as it is. */
export function pathParameter() {
  const part = location.pathname.split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * Return the URL of this page with changed parameters. Their order is kept; null removes a parameter.
 *
 * @param {URLSearchParams} state
 * @param {Record<string, string | number | null>} changes
 */
export function stateUrl(state, changes) {
  const changed = new URLSearchParams(state);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") {
      changed.delete(name);
    } else {
      changed.set(name, String(value));
    }
  }
  const query = changed.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return query ? `${location.pathname}?${query}` : location.pathname;
}

/**
 * Go to another state of this page.
 *
 * @param {string} url URL of the same page, from stateUrl.
 * @param {{replace?: boolean}} [options] replace: the browser's history gets no new entry, and listeners are not called.
 */
export function goTo(url, { replace = false } = {}) {
  if (replace) {
    history.replaceState(null, "", url);
    known = location.pathname + location.search;
    return;
  }
  if (url !== location.pathname + location.search) {
    history.pushState(null, "", url);
    dispatchEvent(new PopStateEvent("popstate"));
  }
}

/**
 * Call a listener after each change of the state: back, forward, goTo and links to the same page. A link to a fragment
 * changes no state. A page has one listener.
 *
 * @param {() => void} listener
 */
export function onStateChange(listener) {
  addEventListener("popstate", () => {
    const present = location.pathname + location.search;
    if (present !== known) {
      known = present;
      listener();
    }
  });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-state]") : null;
    const modified = event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (link instanceof HTMLAnchorElement && !modified) {
      event.preventDefault();
      goTo(link.pathname + link.search);
    }
  });
}
