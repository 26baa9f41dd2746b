import { Buffer } from "node:buffer";
import type { DeadLetter } from "../../core/dead_letters.ts";
import { escapeJson, escapeLines, escapeText } from "../../platform/escape.ts";
import { replaceValue } from "../../platform/json_values.ts";
import { shorten } from "../../platform/thrown.ts";
import { reasonOf as reasonOfTraceback } from "../../core/stored_entry.ts";
import { toWireOptions } from "../../core/message_options.ts";
import { isoTime } from "../iso_time.ts";

/** Widths of the columns. */
export interface Columns {
  readonly queue: number;
  readonly actor: number;
}

const TIME_WIDTH = 19;
const RETRIES_WIDTH = 7;
const ID_WIDTH = 36;
/** Maximum of characters of a name or an id. */
const MAX_NAME = 200;
/** Maximum of characters of arguments and options. JSON output is not cut. */
const MAX_JSON = 10_000;
/** Maximum of characters of undecodable data. */
const MAX_DATA = 1_000;

/** Titles of the columns of {@linkcode formatRow}. */
export function formatHead(columns: Columns): string {
  return row(columns, ["DIED", "QUEUE", "ACTOR", "RETRIES", "ID", "ERROR"]);
}

/** A dead letter on one line. */
export function formatRow(dead: DeadLetter, columns: Columns): string {
  const { message, queueName, decodeError } = dead;
  return row(columns, [
    dead.diedAt === undefined ? "unknown" : localTime(dead.diedAt),
    queueName,
    decodeError === undefined ? message.actorName : "(no message)",
    decodeError === undefined ? String(dead.retries) : "-",
    message.messageId || "-",
    reasonOf(dead),
  ]);
}

function row(
  { queue, actor }: Columns,
  [died, queueName, actorName, retries, id, error]: string[],
): string {
  return [
    died!.padEnd(TIME_WIDTH),
    escapeText(queueName!).padEnd(queue),
    escapeText(shorten(actorName!, MAX_NAME)).padEnd(actor),
    retries!.padStart(RETRIES_WIDTH),
    escapeText(shorten(id!, MAX_NAME)).padEnd(ID_WIDTH),
    escapeText(shorten(error!, MAX_DATA)),
  ].join("  ");
}

/** All fields of a dead letter, on several lines. */
export function formatDetails(dead: DeadLetter): string {
  const { message, queueName, diedAt, decodeError, traceback } = dead;
  const died = diedAt === undefined ? "at an unknown time" : localTime(diedAt);
  if (decodeError !== undefined) {
    return block(`Data on ${escapeText(queueName)} that is no message, died ${died}`, [
      ["reason", escapeText(decodeError.message)],
      ["data", dataText(dead)],
    ]);
  }
  const options = otherOptions(dead);
  return block(
    `${escapeText(shorten(message.messageId, MAX_NAME))} on ${escapeText(queueName)}, died ${died}`,
    [
      ["actor", escapeText(shorten(message.actorName, MAX_NAME))],
      ["sent", localTime(message.messageTimestamp)],
      ["retries", String(dead.retries)],
      ["arguments", shorten(toJson(message.args), MAX_JSON)],
      ["kwargs", isEmpty(message.kwargs) ? "" : shorten(toJson(message.kwargs), MAX_JSON)],
      ["options", isEmpty(options) ? "" : shorten(toJson(options), MAX_JSON)],
      ["error", traceback === undefined ? "" : indent(traceback)],
    ],
  );
}

/** A dead letter as a JSON object on one line, with the outcome of an action on it. */
export function formatJson(dead: DeadLetter, outcome?: string): string {
  const { message, queueName, diedAt, decodeError } = dead;
  const head = {
    ...outcome && { outcome },
    queue: queueName,
    diedAt: isoTime(diedAt),
  };
  if (decodeError !== undefined) {
    const data = Buffer.from(dead.data as Uint8Array).toString("base64");
    return toJson({ ...head, reason: decodeError.message, data });
  }
  return toJson({
    ...head,
    messageId: message.messageId,
    messageTimestamp: message.messageTimestamp,
    actor: message.actorName,
    args: message.args,
    kwargs: message.kwargs,
    options: otherOptions(dead),
    retries: dead.retries,
    error: reasonOf(dead),
    traceback: dead.traceback ?? null,
  });
}

/** The options as on the wire, without those that are fields of a dead letter. */
function otherOptions({ message }: DeadLetter): object {
  const { retries: _retries, traceback: _traceback, ...others } = toWireOptions(message.options);
  return others;
}

/** Its error on one line. */
export function reasonOf({ decodeError, traceback }: DeadLetter): string {
  return decodeError?.message ?? reasonOfTraceback(traceback) ?? "";
}

/** Encodes JSON, also of the types that only pickles have. */
export function toJson(value: unknown): string {
  return escapeJson(JSON.stringify(value, replaceValue));
}

function block(title: string, fields: readonly (readonly [string, string])[]): string {
  const lines = fields.filter(([, text]) => text !== "")
    .map(([name, text]) => `  ${name.padEnd(9)}  ${text}\n`);
  return `${title}\n${lines.join("")}`;
}

function indent(text: string): string {
  return escapeLines(text.trimEnd()).replaceAll("\n", "\n             ");
}

/** Undecodable data: as text if it is valid UTF-8, otherwise in hexadecimal. */
function dataText({ data }: DeadLetter): string {
  const bytes = typeof data === "string" ? Buffer.from(data) : Buffer.from(data);
  const text = bytes.toString();
  const shown = text.includes("\ufffd") ? bytes.toString("hex") : escapeText(text);
  return shown.length > MAX_DATA ? `${shown.slice(0, MAX_DATA)}… (${bytes.length} bytes)` : shown;
}

function isEmpty(object: object): boolean {
  return Object.keys(object).length === 0;
}

function localTime(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return String(ms);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
