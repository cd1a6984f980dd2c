/** Model of an OpenAPI document: operations, with references resolved and parameters grouped by column. */

/**
 * Parameter of an operation, or member of its request body.
 *
 * @typedef {object} Parameter
 * @property {string} name
 * @property {"path" | "query" | "body"} in
 * @property {boolean} required
 * @property {string} description
 * @property {any} schema Resolved schema.
 * @property {unknown} [example]
 */

/**
 * Filters on one column.
 *
 * @typedef {object} FilterGroup
 * @property {string} column
 * @property {string} about Description of the column.
 * @property {Parameter[]} filters
 */

/**
 * Operation of the API.
 *
 * @typedef {object} Operation
 * @property {string} id Method and path, such as "GET /markets".
 * @property {string} method
 * @property {string} path
 * @property {string} group Heading in the navigation.
 * @property {string} summary
 * @property {string} description
 * @property {Parameter[]} parameters Parameters that are no filters.
 * @property {FilterGroup[]} groups Filters by column.
 * @property {any} body Schema of the JSON request body, or null.
 * @property {Response[]} responses
 */

/**
 * Response of an operation.
 *
 * @typedef {object} Response
 * @property {string} status
 * @property {string} description
 * @property {string[]} types Media types.
 * @property {any} schema Schema of the JSON body, or null.
 * @property {[string, string][]} headers Name and description of each.
 */

const METHODS = ["get", "post", "put", "patch", "delete"];
const OPERATOR = /^(.+?)(_regex|__[a-z]+)$/;

/** OpenAPI document whose references are resolved on demand. */
export class OpenApi {
  /** @param {any} document */
  constructor(document) {
    this.document = document;
    this.info = document.info;
    this.examples = this.#examplesByName();
    /** @type {Operation[]} */
    this.operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      METHODS.filter((method) => methods[method]).map((method) => this.#operation(method, path, methods[method])),
    );
  }

  /**
   * Return the object that a reference names, or the object itself.
   *
   * @param {any} object
   * @returns {any}
   */
  resolve(object) {
    return object?.$ref ? this.resolve(this.#lookup(object.$ref)) : object;
  }

  /**
   * Return the members of a JSON request body as parameters.
   *
   * @param {any} body Resolved schema of an object.
   * @returns {Parameter[]}
   */
  bodyParameters(body) {
    const required = new Set(body.required);
    return Object.entries(body.properties ?? {}).map(([name, schema]) => {
      const parameter = this.#parameterOf(schema);
      const resolved = this.resolve(schema);
      return {
        name,
        in: "body",
        required: required.has(name),
        description: resolved.description ?? parameter?.description ?? "",
        schema: resolved,
        example: resolved.example ?? resolved.examples?.[0] ?? parameter?.example ?? this.#exampleOf(name, resolved),
      };
    });
  }

  /**
   * Return an example of a request body: its required members, or else its first ones.
   *
   * @param {any} body Resolved schema of an object.
   */
  bodyExample(body) {
    const given = body.example ?? body.examples?.[0];
    if (given) {
      return given;
    }
    const members = this.bodyParameters(body);
    const required = members.filter((member) => member.required);
    const optional = members.filter(({ example }) => example !== undefined).filter(({ name }) => name !== "offset");
    const chosen = required.length ? required : optional.slice(0, 3);
    return Object.fromEntries(chosen.map((member) => [member.name, member.example ?? member.schema.default ?? null]));
  }

  /**
   * Return the parameters of an object split into those that are no filters, and filters by column. Columns are known
   * by their operators: a parameter is a filter if an operator of its name exists.
   *
   * @param {Parameter[]} parameters
   * @returns {{plain: Parameter[], groups: FilterGroup[]}}
   */
  split(parameters) {
    const names = new Set(parameters.map(({ name }) => name));
    const columns = new Set(
      [...names].map((name) => OPERATOR.exec(name)?.[1] ?? "").filter((column) => names.has(column)),
    );
    const groups = [...columns].map((column) => this.#group(column, parameters));
    const filters = new Set(groups.flatMap((group) => group.filters));
    return { plain: parameters.filter((parameter) => !filters.has(parameter)), groups };
  }

  /** @param {string} column @param {Parameter[]} parameters @returns {FilterGroup} */
  #group(column, parameters) {
    const filters = parameters.filter(({ name }) => name === column || OPERATOR.exec(name)?.[1] === column);
    const equal = filters[0].description;
    return { column, about: equal.slice(equal.indexOf(". ") + 1).trim(), filters };
  }

  /** @param {string} method @param {string} path @param {any} operation @returns {Operation} */
  #operation(method, path, operation) {
    const parameters = (operation.parameters ?? []).map((/** @type {any} */ parameter) => {
      const resolved = this.resolve(parameter);
      const schema = this.resolve(resolved.schema);
      return {
        required: false,
        description: "",
        ...resolved,
        schema,
        example: resolved.example ?? schema?.example ?? this.#exampleOf(resolved.name, schema),
      };
    });
    const { plain, groups } = this.split(parameters);
    const body = operation.requestBody && this.resolve(operation.requestBody).content["application/json"];
    return {
      id: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      group: operation.tags?.[0] ?? groupOf(path),
      summary: operation.summary ?? "",
      description: operation.description ?? "",
      parameters: plain,
      groups,
      body: body ? { ...this.resolve(body.schema), ...(body.example && { example: body.example }) } : null,
      responses: Object.entries(operation.responses).map(([status, response]) => this.#response(status, response)),
    };
  }

  /** @param {string} status @param {any} response @returns {Response} */
  #response(status, response) {
    const { description, content = {}, headers = {} } = this.resolve(response);
    return {
      status,
      description,
      types: Object.keys(content),
      schema: content["application/json"]?.schema ?? null,
      headers: Object.entries(headers).map(([name, header]) => [name, this.resolve(header).description ?? ""]),
    };
  }

  /** Return the parameter whose schema a member refers to, if it does. @param {any} schema */
  #parameterOf(schema) {
    const reference = schema.$ref ?? schema.oneOf?.[0]?.$ref ?? "";
    return reference.endsWith("/schema") ? this.#lookup(reference.slice(0, -"/schema".length)) : undefined;
  }

  /** Return the example of a parameter of the same name, or in an array that of its singular. @param {string} name @param {any} schema */
  #exampleOf(name, schema) {
    const singular = this.examples.get(name.replace(/s$/, ""));
    return schema?.type === "array" && singular !== undefined ? [singular] : this.examples.get(name);
  }

  /** @returns {Map<string, unknown>} */
  #examplesByName() {
    const operations = Object.values(this.document.paths).flatMap((methods) => Object.values(methods));
    const parameters = operations.flatMap(({ parameters = [] }) =>
      parameters.map((/** @type {any} */ each) => this.resolve(each)),
    );
    const withExample = parameters.filter(({ example }) => example !== undefined);
    return new Map(withExample.map(({ name, example }) => [name, example]));
  }

  /** @param {string} reference Such as "#/components/schemas/Market". */
  #lookup(reference) {
    const parts = reference.slice(2).split("/");
    return parts.reduce((object, part) => object?.[part.replaceAll("~1", "/").replaceAll("~0", "~")], this.document);
  }
}

/** Return the heading of a path: its first part if it names a resource. @param {string} path */
function groupOf(path) {
  const [, first] = path.split("/");
  return ["markets", "events", "series"].includes(first) ? first[0].toUpperCase() + first.slice(1) : "Service";
}
