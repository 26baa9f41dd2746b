import { GAUGES_TYPE } from "../platform/gauges.ts";
import { metricsOf } from "./health_metrics.ts";
import type { Health, WorkerHealth } from "./health_report.ts";
import type { Worker } from "./worker.ts";

/** Milliseconds without an answer of the broker or worker process after which a worker is not ready. */
const READY_TIMEOUT = 10_000;
const TEXT = "text/plain; charset=utf-8";

/** Answer to a request. */
export interface HealthAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const STATES = {
  new: "starting",
  starting: "starting",
  running: "working",
  paused: "quiet",
  stopping: "stopping",
  stopped: "stopping",
} as const;

/**
 * Makes a handler for health checks, to be mounted in your own server. It answers `/livez`, `/readyz`
 * and `/metrics`, under any prefix; `?verbose` gives JSON. `--http` of the command line serves the same
 * for all worker processes.
 *
 * `/livez` is 200 whenever it can be answered. `/readyz` is 200 while the worker is running and its
 * broker has answered within ten seconds; it is 503 before the start, while the worker is paused, and
 * from the request to stop.
 *
 * @param worker The worker.
 * @returns Answers a request: for `Deno.serve`, `Bun.serve`, Hono and others that follow Fetch.
 *
 * @example Checks of a worker inside a web server
 * ```ts
 * import { actor, healthHandler, StubBroker, Worker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * actor(function greet() {}, { broker });
 * await using worker = new Worker(broker);
 * const handler = healthHandler(worker);
 * console.log(handler(new Request("http://localhost/readyz")).status); // 503
 * await worker.start();
 * console.log(handler(new Request("http://localhost/readyz")).status); // 200
 * ```
 */
export function healthHandler(worker: Worker): (request: Request) => Response {
  return ({ method, url }) => {
    const { status, headers, body } = answerHealth(method, url, () => healthOf(worker));
    return new Response(method === "HEAD" ? null : body, { status, headers });
  };
}

/** Health of one worker of this process. */
export function healthOf(worker: Worker): Health {
  const state = STATES[worker.state];
  const { outcomes } = worker;
  return {
    dead: [],
    isStopping: state === "stopping",
    workers: [{
      name: "worker",
      state,
      silentFor: 0,
      brokerSilentFor: worker.broker.silentFor,
      slots: worker.executor.concurrency,
      inFlight: worker.running.length,
      done: outcomes.done + outcomes.skipped + outcomes.cancelled,
      failed: outcomes.failed + outcomes.skippedAndFailed,
      retried: outcomes.retried,
    }],
  };
}

/**
 * Answers a request for `/livez`, `/readyz` or `/metrics`.
 *
 * @param method The method: `GET` or `HEAD`.
 * @param url The URL, or its path.
 * @param read Returns the current health.
 */
export function answerHealth(method: string, url: string, read: () => Health): HealthAnswer {
  const { pathname, searchParams } = new URL(url, "http://localhost");
  const check = /\/(livez|readyz|metrics)\/?$/.exec(pathname)?.[1];
  if (check === undefined) {
    return answer(404, TEXT, "Not found: there are /livez, /readyz and /metrics\n");
  }
  if (method !== "GET" && method !== "HEAD") {
    return answer(405, TEXT, "Only GET and HEAD are answered\n", { allow: "GET, HEAD" });
  }
  const health = read();
  if (check === "metrics") return answer(200, GAUGES_TYPE, metricsOf(health, isBrokerUp));
  const reasons = check === "livez" ? health.dead : whyNotReady(health);
  const status = reasons.length === 0 ? 200 : 503;
  if (!searchParams.has("verbose")) {
    return answer(status, TEXT, status === 200 ? "ok\n" : `failing: ${reasons.join("; ")}\n`);
  }
  const { workers } = health;
  const shown = { schema: 1, check, status: status === 200 ? "ok" : "failing", reasons, workers };
  return answer(status, "application/json", `${JSON.stringify(shown, null, 2)}\n`);
}

function answer(
  status: number,
  type: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): HealthAnswer {
  return {
    status,
    body,
    headers: { "content-type": type, "cache-control": "no-store", ...headers },
  };
}

/** Reasons why no worker is ready; empty if one is. */
export function whyNotReady({ isStopping, workers }: Health): string[] {
  if (isStopping) return ["stopping"];
  if (workers.length === 0) return ["no worker process is running"];
  const reasons: string[] = [];
  for (const worker of workers) {
    const reason = reasonOf(worker);
    if (reason === undefined) return [];
    reasons.push(`${worker.name} ${reason}`);
  }
  return reasons;
}

function reasonOf(worker: WorkerHealth): string | undefined {
  const { state, silentFor, brokerSilentFor } = worker;
  if (state !== "working") return `is ${state}`;
  if (silentFor > READY_TIMEOUT) return `has not answered for ${seconds(silentFor)} s`;
  if (isBrokerUp(worker)) return undefined;
  return `has not heard from its broker for ${seconds(brokerSilentFor)} s`;
}

function isBrokerUp({ brokerSilentFor }: WorkerHealth): boolean {
  return brokerSilentFor <= READY_TIMEOUT;
}

function seconds(ms: number): number {
  return Math.round(ms / 1_000);
}
