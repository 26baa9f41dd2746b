/**
 * Responses: pages as HTML or JSON, redirects after actions, errors.
 *
 * @module
 */
import { html } from "hono/html";
import { Forbidden } from "./actions/perform.ts";
import type { Result } from "./actions/results.ts";
import { query } from "./address.ts";
import type { Context, Page } from "./context.ts";
import { layout } from "./html/layout.ts";
import { empty } from "./html/table.ts";
import { type Content, text } from "./html/text.ts";
import { BrokerConnectionError } from "../core/errors.ts";
import { NotSupported } from "../core/inspection_error.ts";
import { replaceValue } from "../platform/json_values.ts";
import { getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";
import { wantsJson } from "./wants_json.ts";

const log = /* @__PURE__ */ getLogger("dashboard");

/** Milliseconds that a page may wait for the broker. */
const TIMEOUT = 10_000;
/** Version of the JSON format. */
const SCHEMA = 1;

/** Renders content to text. */
export async function toText(content: Content): Promise<string> {
  return `${await html`${content}`}`.trim();
}

/** Makes a page; returns `undefined` if it does not exist. */
type MakePage = (context: Context) => Promise<Page | undefined>;

/**
 * Responds with a page that needs the broker: with an error while that is unavailable.
 *
 * @param context The request.
 * @param page Makes the page.
 */
export async function renderBrokerPage(context: Context, page: MakePage): Promise<Response> {
  const { outage } = context.reading;
  if (outage !== undefined) return await unavailable(context, outage.reason);
  return await renderPage(context, page);
}

/**
 * Responds with a page.
 *
 * @param context The request.
 * @param page Makes the page.
 */
export async function renderPage(context: Context, page: MakePage): Promise<Response> {
  const { outage } = context.reading;
  if (outage !== undefined && wantsJson(context.request)) {
    return await unavailable(context, outage.reason);
  }
  try {
    const made = await withTimeout((signal) => page({ ...context, signal }));
    if (made === undefined) return await renderError(context, 404, "There is no such page");
    return await respond(context, made);
  } catch (error) {
    if (error instanceof NotSupported) return await respond(context, refused(error.message));
    if (error instanceof BrokerConnectionError || error instanceof PageTimeout) {
      return await unavailable(context, errorMessage(error));
    }
    if (error instanceof RangeError || error instanceof TypeError) {
      log.warn("Failed to show a page: {reason}", { reason: errorMessage(error), error });
      return await renderError(context, 400, errorMessage(error));
    }
    return await renderError(context, 500, error);
  }
}

/** The broker did not answer in time. */
class PageTimeout extends Error {}

async function withTimeout<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const aborter = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new PageTimeout(`no answer within ${TIMEOUT} ms`);
      reject(error);
      aborter.abort(error);
    }, TIMEOUT);
  });
  try {
    return await Promise.race([work(aborter.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

function refused(reason: string): Page {
  return {
    title: "Not supported",
    place: undefined,
    body: empty(html`${text(reason, 1_000)}.`),
    json: { unsupported: reason },
  };
}

async function unavailable(context: Context, reason: string): Promise<Response> {
  if (wantsJson(context.request)) {
    return json({ error: `The broker does not answer: ${reason}` }, 503);
  }
  return await respond(context, {
    title: "The broker does not answer",
    place: undefined,
    body: empty(
      html`This page is read from the broker, which does not answer: ${text(reason, 400)}.`,
      html`<a class="button" href="">Try again</a>`,
    ),
    json: {},
  });
}

async function respond(context: Context, page: Page): Promise<Response> {
  const { status = 200 } = page;
  if (wantsJson(context.request)) {
    const given = page.json ?? null;
    return json(Array.isArray(given) ? { items: given } : given as object, status);
  }
  return new Response(await toText(layout(context, page)), {
    status,
    headers: { "content-type": "text/html; charset=utf-8" },
  });
}

function json(value: object | null, status: number): Response {
  const text = JSON.stringify({ schema: SCHEMA, ...value }, replaceValue);
  return new Response(text, { status, headers: { "content-type": "application/json" } });
}

/** Performs an action, and redirects to the next page, which shows its notice. */
export async function renderResult(
  context: Context,
  action: () => Promise<Result | undefined>,
): Promise<Response> {
  try {
    const result = await action();
    if (result === undefined) return await renderError(context, 404, "There is no such action");
    const notice = result.notice && context.notices.add(result.notice);
    const location = `${context.address.root}${result.to}${query({ notice })}`;
    return new Response(null, { status: 303, headers: { location } });
  } catch (error) {
    if (error instanceof Forbidden) return await renderError(context, 403, error.message);
    throw error;
  }
}

/**
 * Responds with an error. `problem` is a text to show, or an unexpected error, which is only
 * logged.
 */
export async function renderError(
  context: Context,
  status: 400 | 403 | 404 | 409 | 413 | 415 | 500,
  problem: unknown,
): Promise<Response> {
  const isKnown = typeof problem === "string";
  if (!isKnown) {
    log.error("Failed to show a page: {reason}", { reason: errorMessage(problem), error: problem });
  }
  const reason = isKnown ? problem : "Something went wrong. The log of the dashboard says what.";
  if (wantsJson(context.request)) return json({ error: reason }, status);
  const page: Page = { title: reason, place: undefined, json: {}, heading: text(reason, 1_000) };
  return new Response(await toText(layout(context, page)), {
    status,
    headers: { "content-type": "text/html; charset=utf-8" },
  });
}
