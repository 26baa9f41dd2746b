/**
 * The one way to declare a test: `Deno.test`, `bun:test` or `node:test`, whichever
 * is running.
 *
 * @module
 */

/** The body of a test. */
type TestBody = () => void | Promise<void>;
type Register = (name: string, body: TestBody) => void;
/** What a runner is used for. */
interface Runner {
  readonly register: Register;
  readonly afterAll: (body: TestBody) => void;
}

/** No test may take longer; what waits for ever is to fail with its name. */
const TIMEOUT = 300_000;

const { register, afterAll }: Runner = await findRunner();

async function findRunner(): Promise<Runner> {
  if ("Deno" in globalThis) {
    return {
      register: (name, fn) => Deno.test({ name, fn }),
      afterAll: (body) => Deno.test.afterAll(body),
    };
  }
  if ("Bun" in globalThis) {
    // A literal here would make Deno's type checker look for the module.
    const bun = "bun:test";
    const { test, afterAll } = await import(bun);
    return { register: (name, body) => test(name, body, TIMEOUT), afterAll };
  }
  const { after, test } = await import("node:test");
  return {
    register: (name, body) => void test(name, { timeout: TIMEOUT }, body),
    afterAll: (body) => after(body),
  };
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

/**
 * Declares what is to be done when all tests of this file have run.
 *
 * @param body For example, stops a server that they share.
 */
export function after(body: TestBody): void {
  afterAll(body);
}
