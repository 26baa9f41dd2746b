import { Buffer } from "node:buffer";
import type { InspectedMessage, MessageState } from "../../core/inspection.ts";
import { toWireOptions } from "../../core/message_options.ts";
import { escapeLines, escapeText } from "../../platform/escape.ts";
import { shorten } from "../../platform/thrown.ts";
import { toJson } from "../dead_letters/format.ts";
import { isoTime } from "../iso_time.ts";
import { type Column, formatTable, formatTime } from "./table.ts";

/** Maximum of characters of arguments and options. JSON output is not cut. */
const MAX_JSON = 10_000;
const MAX_NAME = 40;

/** Column title of {@linkcode timeOf}, by state. */
const TIMES: Readonly<Record<MessageState, string>> = {
  ready: "SENT",
  delayed: "DUE",
  unacknowledged: "SENT",
  dead: "DIED",
};

/** The time that messages in the same state are ordered by. */
export function timeOf({ ref, sentAt, eta, diedAt }: InspectedMessage): number | undefined {
  if (ref.state === "dead") return diedAt;
  return ref.state === "delayed" ? eta : sentAt;
}

/** Its last error, or its decode error, on one line. */
export function errorOf({ error, decodeError }: InspectedMessage): string {
  return decodeError?.message ?? error ?? "";
}

/** Messages of one state as a table. */
export function formatMessages(
  messages: readonly InspectedMessage[],
  state: MessageState,
  { isUtc, width }: { readonly isUtc: boolean; readonly width: number | undefined },
): string {
  const columns: Column[] = [
    { title: TIMES[state] },
    { title: "QUEUE", width: MAX_NAME, isName: true },
    { title: "ACTOR", width: MAX_NAME, isName: true },
    { title: "RETRIES", isNumber: true },
    { title: "ID", width: MAX_NAME },
    { title: "ERROR" },
  ];
  const rows = messages.map((one) => [
    formatTime(timeOf(one), isUtc),
    one.ref.queueName,
    actorOf(one),
    String(one.retries),
    one.messageId ?? "-",
    errorOf(one),
  ]);
  return formatTable(columns, rows, width);
}

/** Name of its actor. */
export function actorOf({ actorName, decodeError }: InspectedMessage): string {
  return actorName ?? (decodeError === undefined ? "(too long)" : "(no message)");
}

/** A message for programs, without arguments if it is cut or undecodable. */
export function messageToJson(inspected: InspectedMessage): Record<string, unknown> {
  const { ref, messageId, actorName, sentAt, eta, diedAt, retries, error, size } = inspected;
  const { message, decodeError, isCut, data } = inspected;
  return {
    queue: ref.queueName,
    state: ref.state,
    key: ref.key,
    messageId: messageId ?? null,
    actor: actorName ?? null,
    sentAt: isoTime(sentAt),
    eta: isoTime(eta),
    diedAt: isoTime(diedAt),
    ...{ retries, error: error ?? null, size, isCut },
    ...(message !== undefined && {
      args: message.args,
      kwargs: message.kwargs,
      options: toWireOptions(message.options),
    }),
    ...(decodeError !== undefined && {
      reason: decodeError.message,
      data: Buffer.from(data as Uint8Array).toString("base64"),
    }),
  };
}

/** All fields of a message, on several lines. */
export function formatDetails(inspected: InspectedMessage, isUtc: boolean): string {
  const { ref, messageId, sentAt, eta, diedAt, retries, size, message, decodeError } = inspected;
  const { traceback, retries: _retries, ...options } = toWireOptions(message?.options ?? {});
  const parts: [string, string | undefined][] = [
    ["actor", actorOf(inspected)],
    ["sent", sentAt === undefined ? undefined : formatTime(sentAt, isUtc)],
    ["due", eta === undefined ? undefined : formatTime(eta, isUtc)],
    ["died", diedAt === undefined ? undefined : formatTime(diedAt, isUtc)],
    ["retries", String(retries)],
    ["size", `${size} bytes`],
    ["reason", decodeError?.message],
    ["arguments", message && shorten(toJson(message.args), MAX_JSON)],
    ["kwargs", message && jsonUnlessEmpty(message.kwargs)],
    ["options", jsonUnlessEmpty(options)],
  ];
  const head = `${messageId ?? "Data that is no message"} on ${ref.queueName}, ${ref.state}`;
  const lines = parts.filter(([, value]) => value !== undefined && value !== "")
    .map(([name, value]) => `  ${name.padEnd(10)} ${escapeText(value!)}\n`);
  const error = typeof traceback === "string" ? indent(traceback) : escapeText(errorOf(inspected));
  if (error !== "" && decodeError === undefined) lines.push(`  error      ${error}\n`);
  return `${escapeText(head)}\n${lines.join("")}`;
}

function jsonUnlessEmpty(object: object): string | undefined {
  return Object.keys(object).length === 0 ? undefined : shorten(toJson(object), MAX_JSON);
}

function indent(text: string): string {
  return escapeLines(text.trimEnd()).replaceAll("\n", `\n${" ".repeat(13)}`);
}
