import { basename } from "node:path";
import process from "node:process";

/**
 * Name of this command line in help and errors.
 *
 * @returns `dramatiq`, if it runs as the command of the package for npm, otherwise `worker.ts`.
 */
export function commandName(): string {
  return /^dramatiq(?:\.js)?$/.test(basename(process.argv[1] ?? "")) ? "dramatiq" : "worker.ts";
}
