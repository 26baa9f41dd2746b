import { closeSync, openSync } from "node:fs";
import { readEnvironment } from "../platform/runtime.ts";

/**
 * True if this process has a controlling terminal. Closing a terminal sends SIGHUP, which is also
 * the signal for a reload; this tells the two apart.
 *
 * @returns `undefined` if it cannot be determined.
 */
export function hasTerminal(): boolean | undefined {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    return code === "ENXIO" || code === "EIO" ? false : undefined;
  }
}

/** True if the terminal only takes text, as in an editor: `TERM=dumb`. */
export function isDumbTerminal(): boolean {
  return readEnvironment("term") === "dumb";
}
