import { ConnectionFailed, type DeliveryState, RequestRejected } from "../../core/errors.ts";
import { errorMessage } from "../../platform/thrown.ts";

/** Kinds of errors of SQLite that are handled or explained differently. */
export type SqliteFault =
  | "busy"
  | "full"
  | "inputOutput"
  | "readOnly"
  | "cannotOpen"
  | "corrupt"
  | "tooBig"
  | "forbidden"
  | "other";

/**
 * Errors are matched by text first: `exec` of Deno sets no code, or a wrong one in older versions.
 *
 * Source: "Result and Error Codes" in the manual of SQLite.
 */
const FAULTS: readonly (readonly [fault: SqliteFault, text: RegExp, ...codes: number[]])[] = [
  ["busy", /database (?:table |schema )?is locked|cannot start a transaction within/, 5, 6],
  ["full", /database or disk is full/, 13],
  ["inputOutput", /disk I\/O error/, 10],
  ["readOnly", /attempt to write a readonly database/, 8],
  ["cannotOpen", /unable to open database/, 14],
  ["corrupt", /file is not a database|database disk image is malformed|malformed database/, 26, 11],
  ["tooBig", /string or blob too big/, 18],
  ["forbidden", /requires (?:read|write|all) access|permission denied/i],
];

/**
 * Classifies an error of SQLite.
 *
 * @param error The error of a statement.
 * @returns Its kind.
 */
export function faultOf(error: unknown): SqliteFault {
  const text = errorMessage(error);
  const byText = FAULTS.find(([, pattern]) => pattern.test(text));
  if (byText !== undefined) return byText[0];
  const { errcode, errno } = (error ?? {}) as { errcode?: unknown; errno?: unknown };
  const code = typeof errcode === "number" ? errcode : typeof errno === "number" ? errno : 0;
  return FAULTS.find(([, , ...codes]) => codes.includes(code & 255))?.[0] ?? "other";
}

/** True if a retry may succeed, possibly after an operator has acted. */
export function isTransient(error: unknown): boolean {
  const fault = faultOf(error instanceof ConnectionFailed ? error.cause ?? error : error);
  return fault === "busy" || fault === "full" || fault === "inputOutput" || fault === "readOnly" ||
    fault === "cannotOpen";
}

/** The reason in an error text. */
function reasonOf(fault: SqliteFault, path: string, error: unknown): string {
  switch (fault) {
    case "busy":
      return `${path} is locked by another program`;
    case "full":
      return `no room is left for ${path}`;
    case "inputOutput":
      return `the disk of ${path} fails, or is full`;
    case "readOnly":
      return `${path} cannot be written; the file and its folder must be writable`;
    case "corrupt":
      return `${path} is not a database, or is damaged; restore a backup, or try the .recover of ` +
        "the sqlite3 program on a copy";
    case "cannotOpen":
      return `${path} cannot be opened; the file and its folder must be readable and writable`;
    case "tooBig":
      return "it is larger than SQLite stores";
    case "forbidden":
    case "other":
      return errorMessage(error);
  }
}

/**
 * Translates an error of SQLite.
 *
 * @param error The error. One that is not from SQLite is returned unchanged.
 * @param path The file.
 * @param delivery Whether the write may have been committed.
 */
export function toConnectionError(
  error: unknown,
  path: string,
  delivery: DeliveryState = "none",
): unknown {
  if (!isSqliteError(error)) return error;
  const fault = faultOf(error);
  const text = `Cannot use SQLite: ${reasonOf(fault, path, error)}`;
  const detail = fault === "other" || fault === "forbidden" ? "" : ` (${errorMessage(error)})`;
  if (fault === "tooBig") return new RequestRejected(text + detail, { cause: error });
  return new ConnectionFailed(text + detail, { cause: error, delivery });
}

/** True if an error is one of SQLite, through any package. */
function isSqliteError(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof ConnectionFailed) return false;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  return error.name.startsWith("Sqlite") || typeof errcode === "number" ||
    (typeof code === "string" && /SQLITE/.test(code)) || faultOf(error) !== "other";
}
