import { runtime } from "./runtime.ts";
import { errorMessage } from "./thrown.ts";

/** Command that adds a package to a project. */
const ADD = { deno: "deno add npm:", bun: "bun add ", node: "npm install " }[runtime];

/**
 * Error for an optional package that cannot be loaded.
 *
 * @param purpose What for: the end of "Cannot …".
 * @param packageName The package.
 * @param cause What importing it threw.
 * @returns An error that says whether the package is missing, may not be loaded, or is broken.
 */
export function missingPackage(purpose: string, packageName: string, cause: unknown): TypeError {
  const reason = isForbidden(cause)
    ? `the package "${packageName}" needs a permission`
    : isMissing(cause, packageName)
    ? `the package "${packageName}" is not installed; add it with "${ADD}${packageName}"`
    : `the package "${packageName}" cannot be loaded`;
  return new TypeError(`Cannot ${purpose}: ${reason}: ${errorMessage(cause)}`, { cause });
}

/**
 * The exports of a package of CommonJS. Bundles of several files have them on `default` only.
 *
 * @param module What importing it gave.
 * @param name One of the exports.
 */
export function exportsOf<T extends object>(module: T, name: keyof T & string): T {
  return name in module ? module : (module as { default?: T }).default ?? module;
}

/** True if the runtime denies a program something that was not allowed on its command line. */
function isForbidden(error: unknown): boolean {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  return name === "NotCapable" || code === "ERR_ACCESS_DENIED";
}

/** Error texts of Node, Bun and Deno for a missing package. */
const MISSING = /^(?:Cannot find (?:package|module)|Could not find|Import) "?'?([^"' ]+)/;

function isMissing(error: unknown, packageName: string): boolean {
  return MISSING.exec(errorMessage(error))?.[1] === packageName;
}

/**
 * Advice for a missing package, if that is why something failed.
 *
 * @param error Anything that a `catch` clause may get.
 * @returns What follows the reason, with a semicolon in front; empty if it is no package.
 */
export function packageAdvice(error: unknown): string {
  // Only a name: files are for the user to find.
  const name = MISSING.exec(errorMessage(error).replace(/^error: /, ""))?.[1] ?? "/";
  if (/^[./]|^[a-z]+:/.test(name)) return "";
  const install = { deno: "deno install", bun: "bun install", node: "npm ci" }[runtime];
  return `; install the packages of this project with "${install}", or add "${name}"`;
}
