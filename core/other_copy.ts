/**
 * Shows a value that is of none of the expected classes. In a monorepo with two copies of the
 * library, it may be of a class of the same name of the other copy.
 *
 * @param value The value.
 * @param expected The names of the classes.
 * @returns Its text for an error, with advice if it may be of another copy.
 */
export function showOther(value: unknown, ...expected: readonly string[]): string {
  const isObject = typeof value === "object" || typeof value === "function";
  for (let one = isObject ? value : null; one !== null; one = Object.getPrototypeOf(one)) {
    if (!Object.hasOwn(one as object, "constructor")) continue;
    const name = (one as { constructor?: { name?: string } }).constructor?.name ?? "";
    if (!expected.includes(name)) continue;
    return `${value} (a ${name} of another copy of @dq/dramatiq, perhaps: see npm ls @dq/dramatiq)`;
  }
  return String(value);
}
