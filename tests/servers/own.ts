import process from "node:process";
import { runtime } from "../../platform/runtime.ts";
import { ADDRESS_VARIABLES, findProgram, type ServerName } from "../support/servers/install.ts";
import { skip, test } from "../support/test.ts";

/** Servers that are neither here nor ours to install. Nothing in the library needs them yet. */
const beyondReach = new Set<ServerName>();
for (const name of Object.keys(ADDRESS_VARIABLES) as ServerName[]) {
  const mayInstall = process.getuid?.() === 0 && await findProgram("apt-get") !== undefined;
  if (!mayInstall && await findProgram(name) === undefined) beyondReach.add(name);
}

/**
 * Gives what declares a test that starts a server itself.
 *
 * @param name What it starts.
 * @returns `test`, or what skips the test on a machine where the server runs already, or
 *   that has none and may not install it.
 */
export function testOwn(name: ServerName): typeof test {
  const variable = ADDRESS_VARIABLES[name];
  if (process.env[variable]) {
    return (title) => skip(title, `${variable} names a server that was not started here`);
  }
  if (beyondReach.has(name)) {
    return (title) => skip(title, `${name} is not installed, and this user may not install it`);
  }
  return test;
}

/** True if tests that take long, and hardly depend on the runtime, run here. */
export const runsLongTests: boolean = runtime === "deno" ||
  process.env["TEST_EVERYWHERE"] === "1";

/**
 * Gives what declares a test that takes long, as of several servers that fail.
 *
 * @param name What it starts.
 * @returns As `testOwn`; on Bun and Node, what skips the test unless `TEST_EVERYWHERE` is 1.
 */
export function testLong(name: ServerName): typeof test {
  if (runsLongTests) return testOwn(name);
  return (title) => skip(title, "it takes long, runs on Deno, and here with TEST_EVERYWHERE=1");
}

/** @returns Whether a process has not ended. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
