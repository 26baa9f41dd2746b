/**
 * The one way to declare a test: `Deno.test`, `bun:test` or `node:test`, whichever
 * is running.
 *
 * @module
 */

/** The body of a test. */
type TestBody = () => void | Promise<void>;
type Register = (name: string, body: TestBody) => void;

/** No test may take longer; what waits for ever is to fail with its name. */
const TIMEOUT = 120_000;

const register: Register = await findRunner();

async function findRunner(): Promise<Register> {
  if ("Deno" in globalThis) {
    return (name, fn) => Deno.test({ name, fn });
  }
  if ("Bun" in globalThis) {
    // A literal here would make Deno's type checker look for the module.
    const bun = "bun:test";
    const { test } = await import(bun);
    return (name, body) => test(name, body, TIMEOUT);
  }
  const { test } = await import("node:test");
  return (name, body) => void test(name, { timeout: TIMEOUT }, body);
}

/**
 * Declares a test.
 *
 * @param name The symbol, then the rule.
 * @param body Throws if the rule does not hold.
 */
export function test(name: string, body: TestBody): void {
  register(name, body);
}

/**
 * Declares a test that cannot run here, and says why.
 *
 * @param name The symbol, then the rule.
 * @param reason Why it cannot run.
 */
export function skip(name: string, reason: string): void {
  register(`${name} [skipped: ${reason}]`, () => {});
}
