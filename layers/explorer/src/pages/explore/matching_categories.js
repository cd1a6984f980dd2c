/** Categories that the words of a search name. */

/** Length of a word that may be the beginning of a category's word: shorter ones are words such as "and". */
const MIN_LENGTH = 4;

/**
 * Return the categories with a word that begins with a word of the search.
 *
 * @param {string} search
 * @param {string[]} categories
 */
export function matchingCategories(search, categories) {
  const words = wordsOf(search).filter((word) => word.length >= MIN_LENGTH);
  return categories.filter((category) => wordsOf(category).some((part) => words.some((word) => part.startsWith(word))));
}

/** @param {string} text */
function wordsOf(text) {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
