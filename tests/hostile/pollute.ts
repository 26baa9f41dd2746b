/**
 * An application with a library that extends the built-in prototypes, enumerably. Loaded before
 * the tests that `prototypes_test.ts` runs.
 *
 * @module
 */
for (const one of [Object, Array, Function]) {
  Object.defineProperty(one.prototype, `pollutedBy${one.name}`, {
    value: `inherited from ${one.name}`,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
