/** Indented JSON that keeps every digit: numbers are copied, not parsed. */

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * Return JSON with two spaces of indentation. Empty objects and arrays stay on one line.
 *
 * @param {string} json Valid JSON, or its beginning.
 */
export function indentedJson(json) {
  let depth = 0;
  let text = "";
  let previous = "";
  const newLine = () => `\n${"  ".repeat(depth)}`;
  for (const [token] of json.matchAll(TOKEN)) {
    if (token === "{" || token === "[") {
      depth += 1;
      text += token + newLine();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      const isEmpty = previous === "{" || previous === "[";
      text = isEmpty ? text.trimEnd() + token : text + newLine() + token;
    } else if (token === ",") {
      text += token + newLine();
    } else {
      text += token === ":" ? ": " : token;
    }
    previous = token;
  }
  return text;
}
