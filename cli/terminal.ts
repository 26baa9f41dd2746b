import { closeSync, openSync } from "node:fs";

/**
 * True if the terminal that this program was started from, if any, is still there. When one is
 * closed, its programs get a SIGHUP, the same signal that others send for a reload.
 *
 * @returns `undefined` if that cannot be told.
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
