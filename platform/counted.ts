/**
 * Puts a text about a number of things into the singular or the plural.
 *
 * @param count The number.
 * @param text The text, with the ending of the plural in parentheses, or both endings:
 *   `{count} message(s)`, `{retries} retr(y|ies)`.
 */
export function counted(count: number, text: string): string {
  return text.replace(
    /\((?:(\w+)\|)?(\w+)\)/g,
    (_, one = "", many: string) => count === 1 ? one : many,
  );
}
