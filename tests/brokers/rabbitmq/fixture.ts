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

/** A RabbitMQ of their own for the tests of a file, and what declares them. */
export interface FileServer {
  /** Skips where no server can be started, and names what hangs. */
  readonly test: typeof test;
  /** Runs until the tests of the file are through. There is none where they are skipped. */
  readonly server: RabbitmqServer;
  /** Of that server. */
  readonly console: RabbitmqConsole;
}

/**
 * Starts a RabbitMQ that the tests of one file may do anything to.
 *
 * @param options How to run it.
 * @param declare What declares them: `testLong` where they run on one runtime only.
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

/** Fixture of one test on a server: with a queue of its own, and brokers that get closed. */
export class Fixture implements AsyncDisposable {
  /** A queue that nobody else has. */
  readonly queueName: string = `q_${crypto.randomUUID()}`;
  /** Looks at it from outside. */
  readonly inspector: Inspector;
  readonly #file: FileServer;
  readonly #opened: AsyncDisposable[] = [];

  /** @param file Where it runs. */
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

  /** Makes a broker whose talk is read along. */
  async openTapped(
    options: RabbitmqBrokerOptions = {},
  ): Promise<{ broker: RabbitmqBroker; tap: AmqpTap }> {
    const tap = this.use(await startTap(this.#file.server));
    return { tap, broker: this.open({ url: tap.url, ...options }) };
  }

  /** Closes something at the end, before what came earlier. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.#opened.push(resource);
    return resource;
  }

  /** Contents of a queue; that of the test, or one whose name begins so. */
  async counts(suffix = ""): Promise<QueueCounts> {
    return (await this.#file.console.counts()).get(this.queueName + suffix) ?? NOTHING;
  }

  /** The names of all queues that the test has made, sorted, without its own at the front. */
  async suffixes(): Promise<string[]> {
    const names = [...(await this.#file.console.counts()).keys()];
    return names.filter((name) => name.startsWith(this.queueName))
      .map((name) => name.slice(this.queueName.length)).toSorted();
  }

  /** Waits until so many messages are ready on a queue, and as many unacknowledged. */
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
