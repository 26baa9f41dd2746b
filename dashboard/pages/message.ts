import { html } from "hono/html";
import { query } from "../address.ts";
import { type Context, may, type Page } from "../context.ts";
import { button, field, menu } from "../html/forms.ts";
import { bytes, count, span, time } from "../html/numbers.ts";
import { block, type Content, type Html, text } from "../html/text.ts";
import type { InspectedMessage, MessageRef } from "../../core/inspection.ts";
import { replaceValue } from "../../platform/json_values.ts";
import { HIDDEN, jsonText, messageOf, Redactor } from "../redact.ts";
import { stateName } from "../states.ts";
import { messageJson } from "./message_json.ts";
import { traceLink } from "./trace_link.ts";
import { messageUrl } from "./message_table.ts";

/** Maximum of characters of a part on the page; the download has all. */
const MAX_PART = 1_048_576;

/** One message in full. */
export async function messagePage(context: Context, ref: MessageRef): Promise<Page> {
  const { board: { inspector }, signal } = context;
  const found = await inspector.get(ref, { signal });
  if (found === undefined) return gone(context, ref);
  const redactor = new Redactor(context.options);
  const message = messageOf(found);
  const parts = message === undefined ? undefined : redactor.parts(message);
  const title = `Message ${found.messageId ?? ref.key}`;
  return {
    title,
    heading: html`Message <span class="id">${text(found.messageId ?? ref.key)}</span>`,
    place: ref.state === "dead" ? "dead" : "queues",
    body: html`${actions(context, found)}${facts(context, found, redactor)}${
      parts === undefined
        ? undecoded(found, redactor)
        : html`${
          parts.traceback === undefined ? "" : section("Traceback", textOf(parts.traceback))
        }${section("Arguments", jsonText(parts.args))}${
          isEmpty(parts.kwargs) ? "" : section("Keyword arguments", jsonText(parts.kwargs))
        }${isEmpty(parts.options) ? "" : section("Options", jsonText(parts.options))}`
    }<p><a class="button" href="${messageUrl(context, ref)}/json">Download as JSON</a></p>`,
    json: { ...messageJson(found, redactor), ...jsonParts(parts) },
  };
}

/** The download of a message as JSON. */
export async function messageDownload(context: Context, ref: MessageRef): Promise<Response> {
  const found = await context.board.inspector.get(ref, { signal: context.signal });
  if (found === undefined) {
    return new Response("The message is not there any more", { status: 404 });
  }
  const redactor = new Redactor(context.options);
  const message = messageOf(found);
  const json = message === undefined
    ? jsonText({ ...withoutUndefined(messageJson(found, redactor)) })
    : jsonText({
      ...withoutUndefined(messageJson(found, redactor)),
      ...withoutUndefined(redactor.parts(message)),
    });
  return new Response(json, {
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "content-disposition": 'attachment; filename="message.json.txt"',
    },
  });
}

function withoutUndefined(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** Converts values that JSON does not support, such as large integers, to texts. */
function jsonParts(parts: Readonly<Record<string, unknown>> | undefined): Record<string, unknown> {
  if (parts === undefined) return {};
  return JSON.parse(JSON.stringify(parts, replaceValue));
}

function gone(context: Context, ref: MessageRef): Page {
  const { root } = context.address;
  return {
    title: "Message not found",
    place: "queues",
    status: 404,
    body: html`
      <p>It is no longer ${stateName(ref.state)} on ${text(
        ref.queueName,
      )}: it was run, requeued or dropped meanwhile.</p>
      <p><a class="button" href="${root}find${query({
        id: ref.key,
      })}">Look for it everywhere</a></p>
    `,
    json: { error: "the message is not there any more" },
  };
}

function facts(context: Context, one: InspectedMessage, redactor: Redactor): Html {
  const { now } = context;
  const { ref, sentAt, eta, diedAt } = one;
  const trace = traceLink(context.options, messageOf(one));
  const ago = (at: number | undefined) =>
    at === undefined ? "" : html`
      <span class="soft">${at > now ? `in ${span(at - now)}` : `${span(now - at)} ago`}</span>
    `;
  const fact = (name: string, value: Content) =>
    html`
      <dt>${name}</dt>
      <dd>${value}</dd>
    `;
  const at = (name: string, value: number | undefined) =>
    value === undefined ? "" : fact(name, html`${time(value, now)} UTC${ago(value)}`);
  return html`<dl class="facts">
${fact("State", html`${stateName(ref.state)} on ${text(ref.queueName)}`)}
${fact("Actor", text(one.actorName ?? "(undecodable)"))}
${at("Sent", sentAt)}${at("Due", eta)}${at("Died", diedAt)}
${fact("Failed attempts", count(one.retries))}
${
    one.error === undefined
      ? ""
      : fact("Error", html`<span class="bad">${text(redactor.error(one) ?? "", 2_000)}</span>`)
  }
${fact("Size", bytes(one.size))}${trace === undefined ? "" : fact("Trace", trace)}
</dl>`;
}

function undecoded(one: InspectedMessage, redactor: Redactor): Content {
  const reason = one.decodeError === undefined
    ? ""
    : html`<p class="note bad">It cannot be decoded: ${text(one.decodeError.message, 1_000)}</p>`;
  if (redactor.isActive) return html`${reason}${section("Data", HIDDEN)}`;
  const data = typeof one.data === "string" ? one.data : new TextDecoder("utf-8").decode(one.data);
  return html`${reason}${section("Data", data)}`;
}

function section(title: string, content: string): Html {
  return content.length > MAX_PART
    ? html`
      <h2>${title}</h2>
      <p>${bytes(content.length)} is too long for a page: download it.</p>
    `
    : html`<h2>${title}</h2>${block(content)}`;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : jsonText(value);
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function actions(context: Context, { ref, messageId }: InspectedMessage): Content {
  const { board: { inspector, control } } = context;
  const action = `${messageUrl(context, ref)}/`;
  const all: Html[] = [];
  if (may(context, "requeue")) {
    if (ref.state === "dead") all.push(button(`${action}requeue`, "Requeue", {}, "main"));
    if (ref.state === "delayed") all.push(button(`${action}runNow`, "Run now", {}, "main"));
  }
  const canCancel = may(context, "cancel") && control !== undefined && messageId !== undefined &&
    ref.state !== "dead";
  if (canCancel) {
    all.push(menu({
      action: `${action}cancel`,
      label: "Cancel…",
      confirm: "Cancel the message",
      fields: { id: messageId },
      content: html`${
        field("reason", "Why")
      }<span class="soft">It goes to the dead letters.</span>`,
    }));
  }
  const canDrop = may(context, "drop") && ref.state !== "unacknowledged" &&
    inspector.abilities.has("remove");
  if (canDrop) {
    all.push(menu({
      action: `${action}drop`,
      label: "Drop…",
      confirm: "Drop it for good",
      isDangerous: true,
    }));
  }
  return all.length === 0 ? "" : html`<div class="row">${all}</div>`;
}
