/**
 * Chooses singular or plural endings in a text.
 *
 * @param count The number of things.
 * @param text The text, with the plural ending in parentheses, or both endings:
 *   `{count} message(s)`, `{retries} retr(y|ies)`.
 */
export function counted(count: number, text: string): string {
  return text.replace(
    /\((?:(\w+)\|)?(\w+)\)/g,
    (_, one = "", many: string) => count === 1 ? one : many,
  );
}
