import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { type Consumer, type MessageProxy, UndecodableMessage } from "@dq/dramatiq";
import { until } from "../../support/servers/until.ts";
import type { InspectedServer } from "./inspected_server.ts";

/** Longest time to fetch a message that is there. */
const LONGEST_FETCH = 10_000;

/** Reads a queue as a consumer in Python does: one message after the other. */
export class Reader {
  readonly #inspectedServer: InspectedServer;
  /** Consumer that it reads with. */
  readonly consumer: Consumer;
  readonly #prefetch: number;

  constructor(inspectedServer: InspectedServer, consumer: Consumer, prefetch: number) {
    this.#inspectedServer = inspectedServer;
    this.consumer = consumer;
    this.#prefetch = prefetch;
  }

  /** The next message, which must be there. What is no message is rejected, as by a worker. */
  async next(): Promise<MessageProxy> {
    while (true) {
      const [message] = await deadline(this.consumer.receive(1), LONGEST_FETCH);
      if (!(message!.message instanceof UndecodableMessage)) return message!;
      await this.consumer.nack([message!]);
    }
  }

  /** Looks for a message where there is none for this consumer, or no room for one. */
  async findNone(): Promise<null> {
    const stop = new AbortController();
    const receiving = this.consumer.receive(1, { signal: stop.signal });
    receiving.catch(() => {}); // told below
    const { queueName } = this.consumer;
    const isListening = async () => {
      const queue = (await this.#inspectedServer.counts()).get(queueName);
      return queue !== undefined && queue.consumers > 0 &&
        (queue.ready === 0 || queue.unacknowledged === this.#prefetch);
    };
    await until(isListening, { what: `listen to ${queueName}` });
    stop.abort();
    assertEquals(await receiving, []);
    return null;
  }

  /** Acknowledges a message. */
  async ack(message: MessageProxy): Promise<void> {
    await this.consumer.ack([message]);
  }

  /** Moves a message to the dead letters. */
  async nack(message: MessageProxy): Promise<void> {
    await this.consumer.nack([message]);
  }
}
