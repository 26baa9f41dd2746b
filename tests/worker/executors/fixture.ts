import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Executor,
  type Message,
  type MessageProxy,
  type Middleware,
  ProcessExecutor,
  StubBroker,
  ThreadExecutor,
  TimeLimit,
  Worker,
} from "@dq/dramatiq";
import { until } from "../../support/servers/until.ts";
import { declareActors } from "./actors.ts";

/** The module that realms import. */
export const ACTORS: string = new URL("./actors.ts", import.meta.url).href;

/** An executor of one thread or process, which runs so many of these actors at once. */
export function oneRealm(concurrency: number): Record<OneRealm, () => Executor> {
  const realm = { modules: [ACTORS], brokerExport: "broker", concurrency };
  return {
    ThreadExecutor: () => new ThreadExecutor({ ...realm, threads: 1 }),
    ProcessExecutor: () => new ProcessExecutor({ ...realm, processes: 1 }),
  };
}

type OneRealm = "ThreadExecutor" | "ProcessExecutor";

/** Outcome of a message in the end. */
export interface Fate {
  /** True if it was acknowledged, or dead-lettered. */
  readonly verdict: "ack" | "nack";
  /** Result of the actor. */
  readonly result: unknown;
  /** Error that it threw. */
  readonly exception: unknown;
  /** The delivery. */
  readonly delivery: MessageProxy;
}

/** A worker with an executor, and a file where actors write from wherever they run. */
export class Fixture implements AsyncDisposable {
  /** The broker of the worker's realm. */
  readonly broker: StubBroker;
  /** The worker. */
  readonly worker: Worker;
  /** File in which actors write. */
  readonly journal: string;
  readonly #folder: string;
  readonly #fates: Map<string, PromiseWithResolvers<Fate>>;

  private constructor(
    broker: StubBroker,
    worker: Worker,
    folder: string,
    fates: Map<string, PromiseWithResolvers<Fate>>,
  ) {
    this.broker = broker;
    this.worker = worker;
    this.#folder = folder;
    this.journal = join(folder, "journal");
    this.#fates = fates;
  }

  /**
   * Starts a worker.
   *
   * @param executor What runs the actors.
   * @param middleware More middleware of its broker.
   */
  static async open(executor: Executor, ...middleware: Middleware[]): Promise<Fixture> {
    const fates = new Map<string, PromiseWithResolvers<Fate>>();
    const outcomes = new WeakMap<MessageProxy, { result?: unknown; exception?: unknown }>();
    const settled = (verdict: "ack" | "nack") => (_broker: unknown, delivery: MessageProxy) => {
      const { result, exception } = outcomes.get(delivery) ?? {};
      // Its retry, or what it was delayed to, is another delivery.
      if (delivery.retried || delivery.queueName.endsWith(".DQ")) return;
      fates.get(delivery.messageId)?.resolve({ verdict, result, exception, delivery });
    };
    const broker = new StubBroker({ failFast: false });
    const timeLimit = broker.middleware.find((one) => one instanceof TimeLimit)!;
    broker.addMiddleware(new TimeLimit({ grace: 50 }), { before: TimeLimit });
    broker.removeMiddleware(timeLimit);
    for (const one of middleware) broker.addMiddleware(one);
    broker.addMiddleware({
      afterProcessMessage: (_broker, delivery, outcome) => void outcomes.set(delivery, outcome),
      afterAck: settled("ack"),
      afterNack: settled("nack"),
    });
    declareActors(broker);
    const worker = new Worker(broker, { executor });
    const folder = await mkdtemp(join(tmpdir(), "dramatiq-"));
    const fixture = new Fixture(broker, worker, folder, fates);
    await worker.start();
    return fixture;
  }

  /** Sends a message, and gives its fate. */
  send(actorName: string, args: unknown[], options: object = {}): Promise<Fate> {
    return this.sendMessage(
      this.broker.getActor(actorName).messageWithOptions({ args, ...options }),
    );
  }

  /** As `send`, for a message. */
  async sendMessage(message: Message): Promise<Fate> {
    const fate = Promise.withResolvers<Fate>();
    this.#fates.set(message.messageId, fate);
    await this.broker.enqueue(message);
    return await fate.promise;
  }

  /** The lines that actors wrote. */
  async lines(): Promise<string[]> {
    return (await readFile(this.journal, "utf8").catch(() => "")).split("\n").slice(0, -1);
  }

  /** Waits until actors wrote a number of lines. */
  async written(count: number): Promise<void> {
    await until(async () => (await this.lines()).length >= count, {
      what: `read ${count} lines of the actors`,
      timeout: 20_000,
    });
  }

  /** Stops the worker. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.worker.stop(0);
    await rm(this.#folder, { recursive: true });
  }
}
