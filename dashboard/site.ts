import type { Hono } from "hono/tiny";
import { admit, type Viewer } from "./access.ts";
import { type Address, addressOf, segment } from "./address.ts";
import { serveAsset } from "./assets/assets.ts";
import { Board } from "./board.ts";
import type { Context } from "./context.ts";
import { eventStream, MAX_STREAMS } from "./events.ts";
import { secure } from "./headers.ts";
import { Notices } from "./notices.ts";
import type { DashboardOptions } from "./options.ts";
import { preferencesOf } from "./preferences.ts";
import type { Reading } from "./reader.ts";
import { type Bindings, routes } from "./routes.ts";
import { refusalOf } from "./same_origin.ts";
import { serverTime } from "./server_time.ts";
import { Broker } from "../core/broker.ts";
import { escapeText } from "../platform/escape.ts";
import { type Gauge, GAUGES_TYPE, gaugesText } from "../platform/gauges.ts";
import { getLogger } from "../platform/logging.ts";
import { errorMessage, shorten } from "../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("dashboard");

const BULK_LIMIT = 100_000;
const NO_READING: Reading = { snapshot: undefined, outage: undefined };

/** A dashboard: its brokers, and the state that all requests share. */
export class Site {
  readonly #options: DashboardOptions;
  readonly #boards: ReadonlyMap<string, Board>;
  /** True if paths contain the name of the broker. */
  readonly #hasNames: boolean;
  readonly #origins: readonly string[];
  readonly #notices: Notices = new Notices();
  readonly #app: Hono<Bindings>;
  readonly #closed: AbortController = new AbortController();
  #streams = 0;

  /**
   * Stores the options.
   *
   * @throws {TypeError} If a broker cannot be inspected.
   */
  constructor(options: DashboardOptions) {
    const { broker, origin = [], bulkLimit = BULK_LIMIT } = options;
    this.#options = options;
    this.#hasNames = !(broker instanceof Broker);
    const brokers = broker instanceof Broker ? [["", broker] as const] : Object.entries(broker);
    this.#boards = new Map(brokers.map(([name, one]) => [name, new Board(name, one, bulkLimit)]));
    this.#origins = typeof origin === "string" ? [origin] : origin;
    this.#app = routes((request) => this.#addressOf(request).path);
  }

  /** Answers a request. Never rejects. */
  async handle(request: Request): Promise<Response> {
    try {
      const admission = await admit(request, this.#options);
      if ("response" in admission) return admission.response;
      if ("refused" in admission) return this.#refuse(request, "somebody", 403, admission.refused);
      return secure(await this.#answer(request, admission.viewer));
    } catch (error) {
      log.error("Failed to answer a request: {reason}", { reason: errorMessage(error), error });
      return secure(new Response("Something went wrong", { status: 500 }));
    }
  }

  /** Stops operations and event streams, and closes the connections that it opened. */
  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all(Array.from(this.#boards.values(), (board) => board.close()));
  }

  async #answer(request: Request, viewer: Viewer): Promise<Response> {
    const address = this.#addressOf(request);
    const { path } = address;
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (isRead && path.startsWith("/static/")) {
      return serveAsset(path.slice("/static/".length)) ??
        new Response("Not found", { status: 404 });
    }
    if (!isRead) {
      const refusal = request.method === "POST"
        ? refusalOf(request, this.#origins)
        : { status: 405, reason: `its method is ${request.method}` };
      if (refusal !== undefined) {
        return this.#refuse(request, viewer.name, refusal.status, refusal.reason);
      }
    }
    const names = [...this.#boards.keys()].filter((name) => viewer.brokers?.has(name) ?? true);
    const name = this.#hasNames ? address.broker : "";
    if (name === undefined && names.length > 0) return this.#toFirst(address, names[0]!);
    const board = name !== undefined && names.includes(name) ? this.#boards.get(name) : undefined;
    if (board === undefined) return new Response("There is no such broker", { status: 404 });
    const boards = this.#hasNames ? names : [];
    return await this.#onBoard({ request, viewer, address, board, boards }, isRead);
  }

  async #onBoard(
    known: Pick<Context, "request" | "viewer" | "address" | "board" | "boards">,
    isRead: boolean,
  ): Promise<Response> {
    const { request, board, address: { path } } = known;
    if (isRead && path === "/metrics") return metrics(await board.gauges.read());
    const isStream = isRead && path === "/events";
    const reading = isRead && !isStream ? await board.reader.read() : NO_READING;
    const context: Context = {
      ...known,
      url: new URL(request.url),
      signal: this.#closed.signal,
      options: this.#options,
      notices: this.#notices,
      preferences: preferencesOf(request),
      reading,
      now: serverTime(reading),
    };
    if (isRead && path === "/healthz") return health(reading);
    if (isStream) return this.#stream(context);
    return await this.#app.fetch(request, { context });
  }

  #stream(context: Context): Response {
    if (this.#streams >= MAX_STREAMS) {
      return new Response("Too many pages are open", {
        status: 503,
        headers: { "retry-after": "30" },
      });
    }
    this.#streams++;
    return eventStream(context, () => this.#streams--);
  }

  /** Redirects a request without a broker to the first one. */
  #toFirst({ top, path }: Address, name: string): Response {
    const location = `${top}@${segment(name)}${path}`;
    return new Response(null, { status: 303, headers: { location } });
  }

  #refuse(request: Request, who: string, status: number, reason: string): Response {
    const clean = (text: string) => escapeText(shorten(text, 300));
    const path = URL.parse(request.url)?.pathname ?? "";
    log.warn("Refused a request of {who} for {path}: {reason}", {
      who: clean(who),
      path: clean(path),
      method: request.method,
      reason: clean(reason),
      outcome: "refused",
    });
    const headers = { "content-type": "text/plain; charset=utf-8" };
    return secure(new Response(`Refused: ${clean(reason)}`, { status, headers }));
  }

  #addressOf(request: Request): Address {
    return addressOf(new URL(request.url).pathname, this.#options.basePath, this.#hasNames);
  }
}

function health({ outage }: Reading): Response {
  return outage === undefined
    ? new Response("ok\n")
    : new Response(`The broker does not answer: ${outage.reason}\n`, { status: 503 });
}

function metrics(gauges: readonly Gauge[]): Response {
  return new Response(gaugesText(gauges), { headers: { "content-type": GAUGES_TYPE } });
}
