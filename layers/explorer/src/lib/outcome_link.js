/** Short name of an outcome, where its event is known. */

import { html } from "./html.js";
import { marketPath, plainText } from "./market_views.js";

/** Return the short name of an outcome. @param {any} market */
export function outcomeName({ subtitle, title, ticker }) {
  return plainText(subtitle || title) || ticker;
}

/** Return the name of an outcome as a link to its page. @param {any} market */
export function outcomeLink(market) {
  return html`<a class="market-link" href=${marketPath(market.ticker)}
    ><bdi class="title">${outcomeName(market)}</bdi></a
  >`;
}
