import process from "node:process";
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
 * @returns `test`, or what skips the test on a machine where somebody else runs the server, or
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

/** @returns Whether a process has not ended. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
