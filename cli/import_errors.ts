import { BrokerConnectionError } from "../core/errors.ts";
import { errorMessage, formatTraceback } from "../core/thrown.ts";
import { UsageError } from "./usage_error.ts";

/** What Bun throws for each place where a source text is wrong. */
interface BuildMessage {
  readonly message: string;
  readonly position?: {
    readonly file: string;
    readonly line: number;
    readonly column: number;
  } | null;
}

/**
 * Says why a module does not import: in one line for what its author can see in the module, with
 * the place for what the module throws.
 *
 * @param specifier The module, as the user named it.
 * @param error What its import threw.
 * @returns What to throw: a {@linkcode UsageError}, or the error itself when a broker
 *   cannot be reached.
 */
export function whyNotImported(specifier: string, error: unknown): Error {
  if (error instanceof BrokerConnectionError) return error;
  if (error instanceof UsageError) return error;
  const reason = isOfRuntime(error) ? oneLine(error) : formatTraceback(error).trimEnd();
  return new UsageError(`Cannot import ${specifier}: ${reason}`, { cause: error });
}

/** Whether the runtime refuses the module, rather than the module throwing something. */
function isOfRuntime(error: unknown): boolean {
  const { name, code } = error as { name?: string; code?: string };
  return error instanceof SyntaxError || name === "NotCapable" || name === "BuildMessage" ||
    name === "ResolveMessage" || isListOfBuildMessages(error) ||
    /^ERR_(?:MODULE_NOT_FOUND|INVALID_TYPESCRIPT_SYNTAX|UNSUPPORTED_TYPESCRIPT_SYNTAX|PACKAGE_)/
      .test(code ?? "") ||
    /^(?:Module not found|Cannot find (?:module|package)|The module's source|Relative import path)/
      .test(errorMessage(error));
}

function isListOfBuildMessages(error: unknown): error is AggregateError {
  return error instanceof AggregateError && error.errors[0]?.name === "BuildMessage";
}

function oneLine(error: unknown): string {
  const first = (isListOfBuildMessages(error) ? error.errors[0] : error) as
    & Error
    & Partial<BuildMessage>;
  // Deno and Node go on with the source text, and where an import stands.
  const [text = "", ...more] = errorMessage(first).split("\n").map((line) => line.trim());
  return text.replace(/[.:]$/, "") + (placeOf(first, text, more) ?? "");
}

/** Where it is wrong, unless the text says so. */
function placeOf(error: Error & Partial<BuildMessage>, text: string, more: string[]) {
  const { position, stack = "" } = error;
  if (position) return ` at ${position.file}:${position.line}:${position.column}`;
  const behind = more.find((line) => /^at .*:\d+:\d+$/.test(line));
  if (behind !== undefined) return ` ${behind}`;
  // V8 puts the place of a syntax error in front of its stack.
  const [place = ""] = stack.split("\n");
  return error instanceof SyntaxError && /:\d+$/.test(place) && !text.includes(place)
    ? ` at ${place}`
    : undefined;
}
