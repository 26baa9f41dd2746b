/** Classes by which an object of this library is known. */
const CLASSES = ["Message", "Pipeline", "Group", "Actor", "ResultBackend"];

/**
 * Shows a value that is of none of the expected classes. In a monorepo with two copies of the
 * library, it may look like one of them, and be of the other copy.
 *
 * @param value Any value.
 * @returns Its text for an error, with advice if it may be of another copy.
 */
export function showOther(value: unknown): string {
  const isObject = typeof value === "object" || typeof value === "function";
  for (let one = isObject ? value : null; one !== null; one = Object.getPrototypeOf(one)) {
    if (!Object.hasOwn(one as object, "constructor")) continue;
    const name = (one as { constructor?: { name?: string } }).constructor?.name ?? "";
    if (!CLASSES.includes(name)) continue;
    return `${value} (a ${name} of another copy of @dq/dramatiq, perhaps: see npm ls @dq/dramatiq)`;
  }
  return String(value);
}
