/** Reference of the API from its OpenAPI document, with a form that sends requests. */

import { send } from "../lib/api.js";
import { html, nothing, render } from "../lib/html.js";
import { snippetView } from "../lib/request_panel.js";
import { Section } from "../lib/section.js";
import { snippets } from "../lib/snippets.js";
import { goTo, onStateChange, readState } from "../lib/url_state.js";
import { formValues, operationUrl, requestOf, selectedOperation } from "./docs/form_values.js";
import { inlineCode } from "./docs/inline_code.js";
import { introductionView, operationList } from "./docs/navigation.js";
import { OpenApi } from "./docs/openapi.js";
import { listMember, responsesView } from "./docs/operation_view.js";
import { exampleText, parametersView } from "./docs/parameters_view.js";
import { receive, responseView } from "./docs/response_view.js";
import { schemaView } from "./docs/schema_view.js";
import { tryForm } from "./docs/try_form.js";

/** @typedef {import("./docs/openapi.js").Operation} Operation */
/** @typedef {import("./docs/openapi.js").Parameter} Parameter */
/** @typedef {import("../lib/api.js").ApiRequest} ApiRequest */

const MAX_URL_CHARACTERS = 8_000;
const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const frame = html`<div id="introduction"></div>
  <div class="layout">
    <nav aria-label="Operations"></nav>
    <article></article>
  </div>`;

let values = formValues(readState());
let search = "";
let shownId = "";
/** @type {Section<import("./docs/response_view.js").Received> | null} */
let response = null;
const openApi = new Section(
  async (signal) => new OpenApi((await send({ path: "/openapi.json" }, signal)).data),
  update,
);

onStateChange(() => {
  values = formValues(readState());
  update();
  main.querySelector("article")?.scrollIntoView();
  document.getElementById("operation")?.focus({ preventScroll: true });
});
openApi.reload();

function update() {
  render(frame, main);
  const [introduction, navigation, article] = ["#introduction", "nav", "article"].map(
    (selector) => /** @type {HTMLElement} */ (main.querySelector(selector)),
  );
  const api = openApi.data;
  if (!api) {
    document.title = "API – Kalshi Markets";
    render(
      openApi.view(() => nothing, 30),
      article,
    );
    return;
  }
  const operation = selectedOperation(api.operations, readState());
  if (shownId !== operation.id) {
    shownId = operation.id;
    search = "";
    response = null;
    render(nothing, article);
    render(nothing, navigation);
  }
  document.title = `${operation.id} – API of Kalshi Markets`;
  render(introductionView(api.info), introduction);
  render(operationList(api.operations, operation), navigation);
  render(operationView(operation, api), article);
}

/** @param {Operation} operation @param {OpenApi} api */
function operationView(operation, api) {
  const exampleBody = operation.body ? JSON.stringify(api.bodyExample(operation.body), null, 2) : "";
  const request = readRequest(operation, exampleBody);
  const submit = () => request && sendRequest(request);
  return html`<h2 id="operation" tabindex="-1">
      <span class="method" data-method=${operation.method}>${operation.method}</span> <code>${operation.path}</code>
    </h2>
    <p><strong>${operation.summary}</strong></p>
    ${operation.description ? html`<p class="description">${inlineCode(operation.description)}</p>` : nothing}
    <h3>Try it</h3>
    ${tryForm({ operation, values, exampleBody, sending: response?.loading ?? false, changed, submit })}
    ${operationUrl(operation.id, values).length > MAX_URL_CHARACTERS ? html`<p class="muted">These values are too long for this page's URL: a reload forgets them.</p>` : nothing}
    ${response ? html`<h3>Response</h3> ${response.view((received) => responseView(received, nextPage(operation)), 20)}` : nothing}
    ${request ? html`<h3>Request</h3> ${snippetsView(operation, request, api)}` : html`<p class="failure" role="alert">The request body is not valid JSON.</p>`}
    ${parametersSection(operation, api)}
    <h3>Responses</h3>
    ${responsesView(operation, api)}`;
}

/** @param {Operation} operation @param {OpenApi} api */
function parametersSection(operation, api) {
  const { plain, groups } = operation.body
    ? api.split(api.bodyParameters(operation.body))
    : { plain: operation.parameters, groups: operation.groups };
  if (plain.length + groups.length === 0) {
    return operation.body
      ? schemaView(operation.body, api)
      : html`<h3>Parameters</h3><p class="muted">There are none.</p>`;
  }
  const searched = (/** @type {string} */ text) => {
    search = text;
    update();
  };
  const add = (/** @type {Parameter} */ parameter) => use(operation, parameter, api);
  return html`<h3>${operation.body ? "Members of the request body" : "Parameters"}</h3>
    ${parametersView({ api, plain, groups, search, searched, add })}`;
}

/** @param {Operation} operation @param {ApiRequest} request @param {OpenApi} api */
function snippetsView(operation, request, api) {
  const success = operation.responses.find(({ status }) => status === "200");
  const hasCsv = operation.method === "GET" && Boolean(success?.types.includes("text/csv"));
  const list = listMember(operation, api);
  const isText = ["csv", "ndjson"].includes(values.get("format") ?? "");
  const texts = snippets(request, { hasCsv, list });
  const hasName = (/** @type {string} */ name) =>
    name === "pandas" ? hasCsv || (list !== null && !isText) : name !== "Python" || !isText;
  return html`<div class="snippets">${texts.filter(([name]) => hasName(name)).map(([name, text]) => snippetView(name, text))}</div>`;
}

/** Return the request of the form, or null if its body is no JSON. @param {Operation} operation @param {string} exampleBody */
function readRequest(operation, exampleBody) {
  try {
    return requestOf(operation, values, exampleBody);
  } catch {
    return null;
  }
}

/** @param {ApiRequest} request */
function sendRequest(request) {
  const section = new Section(
    (signal) => receive(request, signal),
    () => section === response && update(),
  );
  response = section;
  section.reload();
}

/** @param {Operation} operation */
function nextPage(operation) {
  const hasCursor = operation.parameters.some(({ name }) => name === "cursor");
  return hasCursor
    ? (/** @type {string} */ cursor) => {
        changed("cursor", cursor);
        sendRequest(requestOf(operation, values, ""));
      }
    : null;
}

/** Set or remove a value of the form, in the URL too. @param {string} name @param {string | null} value */
function changed(name, value) {
  if (value === null) {
    values.delete(name);
  } else {
    values.set(name, value);
  }
  const url = operationUrl(shownId, values);
  if (url.length <= MAX_URL_CHARACTERS) {
    goTo(url, { replace: true });
  }
  update();
}

/** Put a parameter with its example into the form, and go there. @param {Operation} operation @param {Parameter} parameter @param {OpenApi} api */
function use(operation, { name, example, schema }, api) {
  if (operation.body) {
    const body = JSON.parse(values.get("body") ?? JSON.stringify(api.bodyExample(operation.body)));
    changed("body", JSON.stringify({ ...body, [name]: example ?? schema.default ?? null }, null, 2));
  } else {
    changed(name, exampleText(example ?? schema.default ?? ""));
  }
  const field = document.getElementById(operation.body ? "value-body" : `value-${name}`);
  field?.scrollIntoView({ block: "center" });
  field?.focus({ preventScroll: true });
}
