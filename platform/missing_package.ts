import { runtime } from "./runtime.ts";
import { errorMessage } from "./thrown.ts";

/** Command that adds a package to a project. */
const ADD = { deno: "deno add npm:", bun: "bun add ", node: "npm install " }[runtime];

/** Errors of {@linkcode missingPackage}. */
const packageErrors = /* @__PURE__ */ new WeakSet<object>();

/**
 * Error for an optional package that cannot be loaded.
 *
 * @param purpose Completes the sentence "Cannot …".
 * @param packageName The package.
 * @param cause The error of its import.
 * @returns An error that says whether the package is missing, may not be loaded, or is broken.
 */
export function missingPackage(purpose: string, packageName: string, cause: unknown): TypeError {
  const reason = isForbidden(cause)
    ? `the package "${packageName}" needs a permission`
    : isMissing(cause, packageName)
    ? `the package "${packageName}" is not installed; add it with "${ADD}${packageName}"`
    : `the package "${packageName}" cannot be loaded`;
  const error = new TypeError(`Cannot ${purpose}: ${reason}: ${errorMessage(cause)}`, { cause });
  packageErrors.add(error);
  return error;
}

/**
 * True for errors of {@linkcode missingPackage}. They are plain `TypeError`s, so that no class has
 * to be published for them.
 */
export function isPackageError(error: unknown): error is TypeError {
  return packageErrors.has(error as object);
}

/**
 * The exports of a CommonJS package. In bundles of several files they are on `default` only.
 *
 * @param module The imported module.
 * @param name One of the exports, to detect which.
 */
export function exportsOf<T extends object>(module: T, name: keyof T & string): T {
  return name in module ? module : (module as { default?: T }).default ?? module;
}

/** True for the errors of Deno and Node about a missing permission. */
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
 * Advice for an error of a missing package.
 *
 * @param error Any thrown value.
 * @returns Text to append to the reason, with a leading semicolon; empty for other errors.
 */
export function packageAdvice(error: unknown): string {
  // No advice for missing files and URLs.
  const name = MISSING.exec(errorMessage(error).replace(/^error: /, ""))?.[1] ?? "/";
  if (/^[./]|^[a-z]+:/.test(name)) return "";
  const install = { deno: "deno install", bun: "bun install", node: "npm ci" }[runtime];
  return `; install the packages of this project with "${install}", or add "${name}"`;
}
