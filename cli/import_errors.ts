import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BrokerConnectionError } from "../core/errors.ts";
import { packageAdvice } from "../platform/missing_package.ts";
import { runtime } from "../platform/runtime.ts";
import { errorMessage, formatTraceback } from "../platform/thrown.ts";
import { UsageError } from "./usage_error.ts";

/** Error of Bun about one position in a source file. */
interface BuildMessage {
  readonly message: string;
  readonly position?: {
    readonly file: string;
    readonly line: number;
    readonly column: number;
  } | null;
}

/**
 * Explains why the import of a module has failed: in one line if the runtime cannot load it, with a
 * traceback if the module throws.
 *
 * @param specifier The module, as named by the user.
 * @param error The error of the import.
 * @returns The error to throw: a {@linkcode UsageError}, or the same error if a broker cannot be
 *   reached.
 */
export function toImportError(specifier: string, error: unknown): Error {
  if (error instanceof BrokerConnectionError) return error;
  if (error instanceof UsageError) return error;
  const reason = isOfRuntime(error)
    ? oneLine(error) + packageAdvice(error) + moduleTypeAdvice(error) + typeScriptAdvice(error)
    : traceback(error);
  return new UsageError(`Cannot import ${specifier}: ${reason}`, { cause: error });
}

/** True if the runtime refuses the module, rather than the module throwing something. */
function isOfRuntime(error: unknown): boolean {
  const { name, code } = error as { name?: string; code?: string };
  return error instanceof SyntaxError || name === "NotCapable" || name === "BuildMessage" ||
    name === "ResolveMessage" || isListOfBuildMessages(error) ||
    /^ERR_(?:MODULE_NOT_FOUND|INVALID_TYPESCRIPT_SYNTAX|UNSUPPORTED_TYPESCRIPT_SYNTAX|PACKAGE_)/
      .test(code ?? "") ||
    /^(?:Module not found|Cannot find (?:module|package)|The module's source|Import "|Relative import path)/
      .test(errorMessage(error));
}

/** Errors of V8 for an ES module that was loaded as CommonJS. */
const READ_AS_COMMONJS =
  /^(?:Cannot use (?:import statement|'import\.meta') outside a module|Unexpected token 'export'|await is only valid in async functions)/;

/** Advice if package.json makes the module CommonJS; empty for other errors. */
function moduleTypeAdvice(error: unknown): string {
  if (!(error instanceof SyntaxError) || !READ_AS_COMMONJS.test(error.message)) return "";
  const [, place = ""] = /^((?:file:\/\/)?\/.*):\d+$/m.exec(error.stack ?? "") ?? [];
  if (place === "") return "";
  const file = nearestPackageJson(place.startsWith("file:") ? fileURLToPath(place) : place);
  if (file === undefined || /\.cjs$|\.cts$/.test(place)) return "";
  return `; ${file} makes it a CommonJS module: set its type with "npm pkg set type=module"`;
}

/** Errors of Node and Deno for a missing file with the extension of compiled TypeScript. */
const MISSING_JAVASCRIPT =
  /^(?:Cannot find module|Module not found) ["']((?:file:\/\/)?\/[^"']+\.[cm]?js)["']/;
const COMPILE = runtime === "node"
  ? 'compile the sources, or set NODE_OPTIONS="--import tsx"'
  : "compile the sources";

/**
 * Advice about sources that are written for a compiler: `./broker.js` for the file `broker.ts`,
 * which TypeScript and bundlers allow, and syntax that Node cannot erase; empty for other errors.
 */
function typeScriptAdvice(error: unknown): string {
  if ((error as { code?: string }).code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
    return `; ${COMPILE}`;
  }
  const [, missing = ""] = MISSING_JAVASCRIPT.exec(errorMessage(error).replace(COLORS, "")) ?? [];
  if (missing === "") return "";
  const path = missing.startsWith("file:") ? fileURLToPath(missing) : missing;
  const source = path.replace(/js$/, "ts");
  return existsSync(source) ? `; import ${basename(source)} by that name, or ${COMPILE}` : "";
}

/** The package.json that makes a module CommonJS, if one does. */
function nearestPackageJson(path: string): string | undefined {
  for (let folder = dirname(path);; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file)) return isCommonJs(file) ? file : undefined;
    if (folder === dirname(folder)) return undefined;
  }
}

function isCommonJs(packageJson: string): boolean {
  try {
    return JSON.parse(readFileSync(packageJson, "utf8")).type === "commonjs";
  } catch {
    return false;
  }
}

/** Stack of an error without frames of the runtime. */
function traceback(error: unknown): string {
  const lines = formatTraceback(error).trimEnd().split("\n");
  return lines.filter((line) => !/^\s+at (?:.*\()?(?:node:internal|ext:)/.test(line)).join("\n");
}

function isListOfBuildMessages(error: unknown): error is AggregateError {
  return error instanceof AggregateError && error.errors[0]?.name === "BuildMessage";
}

function oneLine(error: unknown): string {
  const first = (isListOfBuildMessages(error) ? error.errors[0] : error) as
    & Error
    & Partial<BuildMessage>;
  // Deno colors the text. Deno and Node append source lines and the position of the import.
  const [text = "", ...more] = errorMessage(first).replace(COLORS, "").split("\n")
    .map((line) => line.replace(/ at ext:\S+$/, "").trim());
  return text.replace(/[.:]$/, "") + placeOf(first, text, more);
}

// deno-lint-ignore no-control-regex -- escape sequences begin with a control character
const COLORS = /\x1b\[\d*m/g;
const PLACE = /^(?:at )?((?:file:|https?:|\/)\S+:\d+)$/;

/** Position of a syntax error, unless the text contains it. */
function placeOf(error: Error & Partial<BuildMessage>, text: string, more: string[]): string {
  const { position, stack = "" } = error;
  if (position) return ` at ${position.file}:${position.line}:${position.column}`;
  // V8 puts the position of a syntax error on the first line of the stack.
  const places = [...more, stack.split("\n")[0] ?? ""].map((line) => PLACE.exec(line)?.[1]);
  const place = places.find((one) => one !== undefined);
  return place === undefined || text.includes(place) ? "" : ` at ${place}`;
}
