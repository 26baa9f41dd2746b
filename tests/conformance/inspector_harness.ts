import { setTimeout as delay } from "node:timers/promises";
import {
  type Broker,
  defaultMiddleware,
  type Encoded,
  type Inspector,
  Message,
  type Middleware,
  Worker,
  type WorkerOptions,
} from "@dq/dramatiq";
import type { Ability, InspectedMessage, MessageState } from "@dq/dramatiq/core";
import { eventually } from "../support/servers/until.ts";
import type { Harness, RulesOf } from "./rules.ts";

/** Needs of the suite: what it has to know of a broker to test its inspector. */
export interface InspectorHarness extends Harness {
  /** Makes a broker, which the suite closes. Those of one namespace share their queues. */
  open(namespace: string, middleware: readonly Middleware[]): Broker;
  /** Puts data on a queue as a producer with a bug would. */
  putRaw?(broker: Broker, queueName: string, data: Encoded): Promise<void>;
  /** True if brokers of one namespace share anything at all. */
  readonly shares?: true;
}

/** Rules by the key under which a harness can skip them. */
export type Rules = RulesOf<Fixture, "putRaw" | "shares">;

/** Fixture of one check: a broker with a queue of its own, and its inspector. */
export class Fixture implements AsyncDisposable {
  readonly harness: InspectorHarness;
  readonly namespace: string = `inspect_${crypto.randomUUID().replaceAll("-", "")}`;
  readonly queueName: string = `q_${crypto.randomUUID()}`;
  readonly #opened: AsyncDisposable[] = [];

  constructor(harness: InspectorHarness) {
    this.harness = harness;
  }

  /** Opens a broker. A second one shares the storage of the first. */
  broker(...middleware: Middleware[]): Broker {
    const broker = this.harness.open(this.namespace, [...defaultMiddleware(), ...middleware]);
    broker.declareQueue(this.queueName);
    this.#opened.push(broker);
    return broker;
  }

  /** Opens a broker and its inspector. */
  open(...middleware: Middleware[]): { broker: Broker; inspector: Inspector } {
    const broker = this.broker(...middleware);
    return { broker, inspector: this.inspect(broker) };
  }

  /** Opens an inspector. */
  inspect(broker: Broker): Inspector {
    const inspector = broker.inspect();
    // As on runtimes without `await using`.
    this.#opened.push({ [Symbol.asyncDispose]: () => inspector.close() });
    return inspector;
  }

  /** True if the inspector of the broker has all of some abilities. */
  can(inspector: Inspector, ...abilities: Ability[]): boolean {
    return abilities.every((ability) => inspector.abilities.has(ability));
  }

  /** Makes a message for the queue. */
  message(actorName: string, ...args: unknown[]): Message {
    return new Message({ queueName: this.queueName, actorName, args });
  }

  /** Sends messages, one after the other. */
  async send(broker: Broker, actorName: string, count: number): Promise<Message[]> {
    const messages = Array.from({ length: count }, (_, i) => this.message(actorName, i));
    return await broker.enqueueMany(messages);
  }

  /** Makes messages of an actor that is not declared dead letters. */
  async kill(broker: Broker, actorName: string, count: number): Promise<Message[]> {
    const messages = await this.send(broker, actorName, count);
    await using consumer = broker.consume(this.queueName, { prefetch: count });
    for (let left = count; left > 0;) {
      const deliveries = await consumer.receive(left);
      left -= deliveries.length;
      for (const delivery of deliveries) {
        delivery.fail();
        delivery.stuffException(new RangeError(`${actorName} failed`));
        await consumer.nack(delivery);
        await delay(2); // no two die in the same millisecond: those are in no order
      }
    }
    return messages;
  }

  /** Starts a worker, which is stopped at the end. */
  async work(broker: Broker, options: WorkerOptions = {}): Promise<Worker> {
    const worker = new Worker(broker, options);
    this.#opened.push(worker);
    await worker.start();
    return worker;
  }

  /** Lists one page, and gives the arguments. */
  async args(inspector: Inspector, state: MessageState, limit?: number): Promise<unknown[]> {
    const { queueName } = this;
    const page = await inspector.list({ queueName, state, ...(limit && { limit }) });
    return page.messages.map(argOf);
  }

  /** Waits until a queue has as many messages in a state. */
  async untilCount(inspector: Inspector, state: MessageState, count: number): Promise<void> {
    await eventually(`have ${count} ${state} messages`, async () => {
      const { queues } = await inspector.overview();
      return queues.find(({ queueName }) => queueName === this.queueName)?.[state] === count;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#opened.reverse()) {
      if (one instanceof Worker) await one.stop(0);
      else await one[Symbol.asyncDispose]();
    }
  }
}

/** The first argument of a message. */
export function argOf({ message }: InspectedMessage): unknown {
  return message?.args[0];
}
