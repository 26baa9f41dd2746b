import {
  actor,
  type ActorOptions,
  defaultMiddleware,
  Message,
  type MessageOptions,
  type MessageProxy,
  RabbitmqBroker,
} from "@dq/dramatiq";
import { FakeClock } from "../../support/fake_clock.ts";
import { type AmqpTap, startTap, type TappedMethod } from "../../support/servers/amqp_tap.ts";
import { until } from "../../support/servers/until.ts";
import { Notation } from "../redis_replay/notation.ts";
import { untilAtRest } from "../replay/rest.ts";
import { SteppedWorker } from "../replay/stepped_worker.ts";
import { toCalls } from "./calls.ts";
import { BASE, type GotMessage, type Observed, type Scenario } from "./capture.ts";
import { Reader } from "./reader.ts";
import type { InspectedServer } from "./inspected_server.ts";

/** Message to put on a queue. */
export interface Sending {
  readonly actorName?: string;
  readonly args?: readonly unknown[];
  readonly options?: MessageOptions;
  readonly delay?: number;
}

/** The brokers of one scenario, with one clock, and what is seen of them. */
export class Fixture implements AsyncDisposable {
  readonly inspectedServer: InspectedServer;
  readonly clock: FakeClock = new FakeClock(BASE);
  /** A worker of the first broker, for scenarios with one. */
  readonly worker: SteppedWorker = new SteppedWorker();
  /** The delay queues that the first broker has told of. */
  readonly delayQueues: string[] = [];
  readonly #notation: Notation;
  readonly #tap: AmqpTap;
  readonly #brokers: Map<string, RabbitmqBroker> = new Map();
  /** Methods of earlier steps. */
  readonly #before: TappedMethod[] = [];
  #hookCalls = { before_enqueue: 0, after_enqueue: 0 };
  #messages = 0;

  private constructor({ kind, brokers }: Scenario, inspectedServer: InspectedServer, tap: AmqpTap) {
    this.inspectedServer = inspectedServer;
    this.#tap = tap;
    this.#notation = new Notation({ messages: {}, kind });
    for (const [name, { confirm_delivery, max_priority }] of Object.entries(brokers)) {
      const broker = new RabbitmqBroker({
        url: tap.url,
        confirmDelivery: confirm_delivery,
        middleware: [this.worker.middleware, ...defaultMiddleware()],
        ...(max_priority === null ? {} : { maxPriority: max_priority }),
        ...(kind === "stepped" ? { clock: this.clock } : {}),
      });
      broker.addMiddleware({
        beforeEnqueue: () => void this.#hookCalls.before_enqueue++,
        afterEnqueue: () => void this.#hookCalls.after_enqueue++,
        afterDeclareDelayQueue: (_broker, queueName) => void this.delayQueues.push(queueName),
      });
      this.worker.guard(broker);
      this.#brokers.set(name, broker);
    }
  }

  /** Clears the server for a scenario. */
  static async open(scenario: Scenario, inspectedServer: InspectedServer): Promise<Fixture> {
    await inspectedServer.clear();
    return new Fixture(scenario, inspectedServer, await startTap(inspectedServer.server));
  }

  /** The broker of a scenario that has one, or its first. */
  get broker(): RabbitmqBroker {
    return this.brokerOf();
  }

  /** A broker by its name in the scenario. */
  brokerOf(name = this.#brokers.keys().next().value!): RabbitmqBroker {
    return this.#brokers.get(name)!;
  }

  /** Forgets what was seen, for the next step. */
  begin(): void {
    this.#before.push(...this.#tap.take());
    this.#hookCalls = { before_enqueue: 0, after_enqueue: 0 };
  }

  /** Looks at what a step is to be compared by. */
  async observe(expected: Observed): Promise<Observed> {
    const { amqp_calls, hook_calls, ready_unacked, consumers } = expected;
    const observed: Record<keyof Observed, unknown> = Object.create(null);
    if (amqp_calls !== undefined) {
      observed.amqp_calls = this.toPlaceholders(toCalls(this.#tap.methods));
    }
    if (hook_calls !== undefined) observed.hook_calls = { ...this.#hookCalls };
    if (ready_unacked !== undefined) {
      const counts = await this.inspectedServer.counts();
      observed.ready_unacked = Object.fromEntries(
        Object.keys(ready_unacked).map((name) => {
          const { ready, unacknowledged } = counts.get(name)!;
          return [name, [ready, unacknowledged]];
        }),
      );
    }
    if (consumers !== undefined) observed.consumers = await this.#consumers();
    return { ...observed } as Observed;
  }

  /** Takes a message off a queue, in the form of the capture. */
  async get(queueName: string): Promise<GotMessage> {
    return this.toPlaceholders(await this.inspectedServer.get(queueName)) as GotMessage;
  }

  /** Something in the form of the capture. */
  toPlaceholders(value: unknown): unknown {
    return this.#notation.toReturned(value);
  }

  /** Waits until nothing is said any more, so that what comes late does not come unseen. */
  async rest(): Promise<void> {
    await untilAtRest(async () => {
      await this.inspectedServer.counts(); // what was said before this has arrived
      return this.#tap.methods.length;
    });
  }

  /** Makes a message of now, which has the next number. */
  message({ actorName = "work", args = [], options = {} }: Sending): Message {
    const messageTimestamp = this.broker.clock.now();
    const message = new Message({ queueName: "goldq", actorName, args, options, messageTimestamp });
    this.#notation.bind(`<msg:${++this.#messages}>`, message.messageId);
    return message;
  }

  /** Puts a message on goldq. */
  async enqueue(sending: Sending, by?: string): Promise<unknown> {
    const options = sending.delay === undefined ? {} : { delay: sending.delay };
    return this.shown(await this.brokerOf(by).enqueue(this.message(sending), options));
  }

  /** A message as a step returns it; how it was delivered the tap has seen. */
  shown(message: Message | MessageProxy): unknown {
    if (message instanceof Message) return { message: message.asDict() };
    const delivered = [...this.#before, ...this.#tap.methods].findLast(({ method, body }) => {
      return method === "basic_deliver" && body!.includes(message.messageId);
    });
    return { message: message.message.asDict(), redelivered: delivered?.args["redelivered"] };
  }

  /** Opens a consumer. */
  reader(queueName: string, prefetch: number): Reader {
    const consumer = this.broker.consume(queueName, { prefetch });
    return new Reader(this.inspectedServer, consumer, prefetch);
  }

  /** Has a broker declare its queues on the server, by listening for a moment. */
  async ensure(by?: string): Promise<void> {
    const consumer = this.brokerOf(by).consume("goldq");
    await new Reader(this.inspectedServer, consumer, 1).findNone();
    await consumer.close();
  }

  /** Waits until consumers hold so many messages of a queue. */
  async untilHeld(queueName: string, count: number): Promise<void> {
    const isHeld = async () => {
      return (await this.inspectedServer.counts()).get(queueName)?.unacknowledged === count;
    };
    await until(isHeld, { what: `hold ${count} messages of ${queueName}` });
  }

  /** Declares an actor of the first broker. */
  declare(actorName: string, fn: (...args: never[]) => unknown, options: ActorOptions = {}): void {
    actor(fn, { broker: this.broker, actorName, queueName: "goldq", ...options });
  }

  async #consumers(): Promise<unknown[]> {
    const consumers = await this.inspectedServer.console.consumers();
    // Python has no queue by which workers are asked for reports.
    return consumers.filter(({ queue }) => !queue.startsWith("amq.gen-")).map((
      { queue, isAckRequired, prefetch },
    ) => ({
      ...{ queue_name: queue, ack_required: isAckRequired, prefetch_count: prefetch },
      ...{ active: true, arguments: [] },
    })).toSorted((a, b) => a.queue_name < b.queue_name ? -1 : 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.worker.stop(0);
    for (const broker of this.#brokers.values()) await broker.close();
    await this.#tap[Symbol.asyncDispose]();
  }
}
