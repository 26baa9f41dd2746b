/**
 * Imports the module that its argument names, and prints how many milliseconds that took. It
 * has no imports itself: those of the platform are a part of what is measured.
 *
 * @module
 */
const specifier = "Deno" in globalThis ? Deno.args[0] : process.argv[2];
const start = performance.now();
await import(`${specifier}`);
console.log(performance.now() - start);
