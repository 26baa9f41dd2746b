/**
 * Shows any value, for log lines and errors.
 *
 * @returns JSON if it can be, such as `"5"` for a text.
 */
export function showValue(value: unknown): string {
  if (typeof value === "number") return String(value); // NaN would be null
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value); // a BigInt, a cycle
  }
}
