import { deadline } from "@std/async";
import { RabbitmqBroker, type RabbitmqBrokerOptions } from "@dq/dramatiq";
import {
  type RabbitmqOptions,
  type RabbitmqServer,
  startOwnRabbitmq,
} from "../../support/servers/rabbitmq.ts";
import type { QueueCounts, RabbitmqConsole } from "../../support/servers/rabbitmq_console.ts";
import { type AmqpTap, startTap } from "../../support/servers/amqp_tap.ts";
import { eventually } from "../../support/servers/until.ts";
import { after, test } from "../../support/test.ts";
import { testOwn } from "../../servers/own.ts";
import { Inspector } from "./inspector.ts";

/** Far above any honest run. */
const LONGEST_TEST = 60_000;
const NOTHING: QueueCounts = { ready: 0, unacknowledged: 0, consumers: 0 };

export { eventually };

/** A RabbitMQ for the tests of one file, and a function that declares them. */
export interface FileServer {
  /** Declares a test with a timeout, skipped if no server can be started. */
  readonly test: typeof test;
  /** The server, which runs until the end of the file's tests; unset if they are skipped. */
  readonly server: RabbitmqServer;
  /** Console of that server. */
  readonly console: RabbitmqConsole;
}

/**
 * Starts a RabbitMQ for the tests of one file, which may pause or restart it.
 *
 * @param options Options of the server.
 * @param declare Declares a test: `testLong` for tests that run on one runtime only.
 */
export async function startForFile(
  options: RabbitmqOptions = {},
  declare: typeof test = testOwn("rabbitmq-server"),
): Promise<FileServer> {
  if (declare !== test) {
    return { test: declare, server: undefined as never, console: undefined as never };
  }
  const server = await startOwnRabbitmq(options);
  const console = server.openConsole();
  after(async () => {
    await console[Symbol.asyncDispose]();
    await server.stop();
  });
  return {
    test: (name, body) => test(name, () => deadline(Promise.resolve(body()), LONGEST_TEST)),
    server,
    console,
  };
}

/** Fixture of one test: a queue of its own, and brokers that are closed at the end. */
export class Fixture implements AsyncDisposable {
  /** A queue that no other test uses. */
  readonly queueName: string = `q_${crypto.randomUUID()}`;
  /** Reads and changes queues without the library. */
  readonly inspector: Inspector;
  readonly #file: FileServer;
  readonly #opened: AsyncDisposable[] = [];

  /** @param file The server. */
  constructor(file: FileServer) {
    this.#file = file;
    this.inspector = new Inspector(file.server.url);
  }

  /** Makes a broker, which is closed at the end. Its queue is declared. */
  open(options: RabbitmqBrokerOptions = {}): RabbitmqBroker {
    const { url, connection } = options;
    const address = url === undefined && connection === undefined
      ? { url: this.#file.server.url }
      : {};
    const broker = this.use(new RabbitmqBroker({ ...address, ...options }));
    broker.declareQueue(this.queueName);
    return broker;
  }

  /** Makes a broker whose AMQP frames are recorded. */
  async openTapped(
    options: RabbitmqBrokerOptions = {},
  ): Promise<{ broker: RabbitmqBroker; tap: AmqpTap }> {
    const tap = this.use(await startTap(this.#file.server));
    return { tap, broker: this.open({ url: tap.url, ...options }) };
  }

  /** Disposes of a resource at the end, in reverse order. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.#opened.push(resource);
    return resource;
  }

  /** Numbers of messages on the queue of the test, or on another with a suffix to its name. */
  async counts(suffix = ""): Promise<QueueCounts> {
    return (await this.#file.console.counts()).get(this.queueName + suffix) ?? NOTHING;
  }

  /** The suffixes of all queues of the test, sorted. */
  async suffixes(): Promise<string[]> {
    const names = [...(await this.#file.console.counts()).keys()];
    return names.filter((name) => name.startsWith(this.queueName))
      .map((name) => name.slice(this.queueName.length)).toSorted();
  }

  /** Waits until a queue has these numbers of ready and unacknowledged messages. */
  async untilCounts(suffix: string, ready: number, unacknowledged = 0): Promise<void> {
    let last = NOTHING;
    await eventually(`have ${ready} ready and ${unacknowledged} unacknowledged`, async () => {
      last = await this.counts(suffix);
      return last.ready === ready && last.unacknowledged === unacknowledged;
    }).catch((cause) => {
      throw new Error(`There are ${JSON.stringify(last)} on ${this.queueName}${suffix}`, { cause });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const resource of this.#opened.reverse()) await resource[Symbol.asyncDispose]();
    const names = (await this.suffixes()).map((suffix) => this.queueName + suffix);
    if (names.length > 0) await this.inspector.delete(...names);
  }
}

/** The numbers from 0. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
