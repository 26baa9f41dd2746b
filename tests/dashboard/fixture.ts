import { type Actor, actor, type Broker, StubBroker, Worker } from "@dq/dramatiq";
import type { StubJoinOptions } from "../../brokers/stub/mod.ts";
import { type Dashboard, dashboard, type DashboardOptions } from "@dq/dramatiq/dashboard";

/** Names that would do harm on a page that does not escape them. */
export const HOSTILE: readonly string[] = [
  `"><script>alert(1)</script>`,
  `'><img src=x onerror=alert(2)>`,
  "javascript:alert(3)",
  "a\u202eb\u0007c\ufeffd",
  "..",
  "\ud800 %2F / ? # & = + ~",
];

/** An error whose text somebody chose. */
export const HOSTILE_ERROR = `</pre><script>alert("error")</script>\u202e`;

/** A broker in memory with a dashboard, and requests to it. */
export class Site<B extends Broker = StubBroker> implements AsyncDisposable {
  readonly broker: B;
  readonly handler: Dashboard;
  readonly base: string;

  constructor(options: Partial<DashboardOptions> = {}, broker?: B) {
    this.broker = broker ?? new StubBroker() as Broker as B;
    this.handler = dashboard({ broker: this.broker, access: "loopback", ...options });
    this.base = `http://localhost:9192${options.basePath ?? ""}`;
  }

  /** Gets a page. */
  async get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return await this.handler(request(this.base + path, { headers }));
  }

  /** Gets the text of a page. */
  async text(path: string): Promise<string> {
    return await (await this.get(path)).text();
  }

  /** Gets the JSON of a page. */
  // deno-lint-ignore no-explicit-any -- tests look at whatever they expect there
  async json(path: string): Promise<any> {
    return await (await this.get(path, { accept: "application/json" })).json();
  }

  /** Sends a form, as a browser does from a page of the dashboard. */
  async post(
    path: string,
    fields: Record<string, string | string[]> = {},
    headers: Record<string, string> = { "sec-fetch-site": "same-origin" },
  ): Promise<Response> {
    const body = new URLSearchParams();
    for (const [name, values] of Object.entries(fields)) {
      for (const value of [values].flat()) body.append(name, value);
    }
    return await this.handler(request(this.base + path, { method: "POST", body, headers }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handler.close();
    await this.broker.close();
  }
}

/** A request with a `Host`, which `Request` alone does not have. */
export function request(url: string, init: RequestInit = {}): Request {
  const made = new Request(url, init);
  if (!made.headers.has("host")) made.headers.set("host", new URL(url).host);
  return made;
}

/** An actor that always fails for good. */
export function failing(broker: Broker, actorName: string, queueName = "default"): Actor {
  return actor(
    (error: string) => {
      throw new RangeError(error);
    },
    { broker, actorName, queueName, maxRetries: 0 },
  ) as unknown as Actor;
}

/** Runs everything that waits. */
export async function runAll(broker: Broker): Promise<void> {
  const worker = new Worker(broker);
  await worker.start();
  try {
    const options: StubJoinOptions = { failFast: false };
    for (const queue of broker.queues) await broker.join(queue, options);
    await worker.join();
  } finally {
    await worker.stop();
  }
}

/** Dead letters of an actor, which it is to get. */
export async function dieOf(
  broker: Broker,
  actorName: string,
  errors: readonly string[],
  queueName = "default",
): Promise<void> {
  const failed = failing(broker, actorName, queueName);
  for (const error of errors) await failed.send(error as never);
  await runAll(broker);
}
