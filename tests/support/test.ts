/**
 * The one way to declare a test: `Deno.test`, `bun:test` or `node:test`, whichever
 * is running.
 *
 * @module
 */

import process from "node:process";
import { clearTimeout, setTimeout } from "node:timers";
import { discardLog } from "./log.ts";

/** The body of a test. */
type TestBody = () => void | Promise<void>;
type Register = (name: string, body: TestBody) => void;
/** Use of a runner. */
interface Runner {
  readonly register: Register;
  readonly afterAll: (body: TestBody) => void;
}

/** Milliseconds. No test may take longer; what waits for ever is to fail with its name. */
const TIMEOUT = Number(process.env["TEST_TIMEOUT"] ?? 300_000);
/** Number of times a failed test is run again: on a busy machine, a fault of a real server can outlast it. */
const RETRIES = Number(process.env["TEST_RETRIES"] ?? 0);
/** Milliseconds in which Node reports the failures of a file. */
const TIME_TO_REPORT = 1_000;
/**
 * Milliseconds in which a file ends after its tests. A timer that is left would hold Node longer; a file that
 * is imported behind it may first start a server, for up to two minutes.
 */
const TIME_TO_END = Number(process.env["TEST_TIME_TO_END"] ?? 150_000);

discardLog();

let hasHung = false;
const { register, afterAll }: Runner = await findRunner();

async function findRunner(): Promise<Runner> {
  if ("Deno" in globalThis) {
    return {
      register: (name, body) => Deno.test({ name, fn: () => inTime(body) }),
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
  let left = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const register: Register = (name, body) => {
    left++;
    void test(name, async () => {
      clearTimeout(timer);
      try {
        await inTime(body);
      } finally {
        left--;
        // Node waits for all that a test left under way, which may be for ever. Its own hook for the end
        // is called too early: before a file that waits for its server has registered its tests.
        if (left === 0) timer = setTimeout(endNow, hasHung ? TIME_TO_REPORT : TIME_TO_END).unref();
      }
    });
  };
  return { register, afterAll: (body) => after(body) };
}

/** Ends a file of tests on Node that does not end by itself, and says what holds it. */
function endNow(): void {
  if (!hasHung) {
    const resources = process.getActiveResourcesInfo().join(", ");
    console.error(
      `The tests have ended ${TIME_TO_END} ms ago, but not their process: ${resources}`,
    );
  }
  process.exit(1);
}

/** Runs a test, which fails when it does not end in time: on Deno nothing else would end it. */
async function inTime(body: TestBody): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const fail = () => {
      hasHung = true;
      reject(new Error(`The test has not ended within ${TIMEOUT} ms`));
    };
    // When nothing is under way any more, the runtime itself fails the test, and at once.
    timer = setTimeout(fail, TIMEOUT).unref();
  });
  try {
    await Promise.race([body(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a test again if it fails, and prints why; all its runs share one time-out. */
async function retry(name: string, body: TestBody): Promise<void> {
  for (let retries = 0;; retries++) {
    try {
      return await body();
    } catch (error) {
      if (retries === RETRIES) throw error;
      console.error(`Retrying a test that failed: ${name}:`, error);
    }
  }
}

/**
 * Declares a test.
 *
 * @param name The symbol, then the rule.
 * @param body Throws if the rule does not hold.
 */
export function test(name: string, body: TestBody): void {
  register(name, RETRIES > 0 ? () => retry(name, body) : body);
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
 * Registers a function to run after all tests of this file.
 *
 * @param body For example, stops a server that they share.
 */
export function after(body: TestBody): void {
  afterAll(body);
}
