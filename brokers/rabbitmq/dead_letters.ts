import type { ReadDeadLettersOptions, StoredDeadLetter } from "../../core/dead_letters.ts";
import { ConnectionClosed } from "../../core/errors.ts";
import type { Message } from "../../core/message.ts";
import { deadLetterQueueName } from "../../core/queue_names.ts";
import { type Channel, closeChannel, createChannel, type Delivered, type Model } from "./client.ts";
import type { RabbitmqSession } from "./session.ts";
import { explain } from "./errors.ts";

/**
 * Reads the dead letters of a queue in order, as many as there are at the beginning.
 *
 * They are fetched without acknowledgement, so that no other consumer receives them. When the reading
 * ends, or the connection is lost, the remaining ones return to their places.
 *
 * @param session The broker.
 * @param queueName The queue.
 * @param options Number of dead letters per page, and a function that waits for pending settlements.
 */
export async function* readDeadLetters(
  session: RabbitmqSession,
  queueName: string,
  { pageSize, settled }: ReadDeadLettersOptions,
): AsyncGenerator<StoredDeadLetter> {
  const { connection, topology } = session;
  const source = deadLetterQueueName(queueName);
  const purpose = `read the dead letters of "${queueName}"`;
  const model = await connection.whenUp();
  await topology.declare(queueName);
  const reading = new Reading(session, queueName, await open(purpose, model));
  try {
    let left = Infinity;
    while (left > 0) {
      const page: Delivered[] = [];
      while (page.length < Math.min(pageSize, left)) {
        const raw = await reading.ask(purpose, (channel) => channel.get(source));
        if (raw === false) break; // another reader has the others
        // Not from the declaration: for a quorum queue, that count may be seconds old.
        if (left === Infinity) left = 1 + (raw.fields.messageCount ?? 0);
        page.push(raw);
      }
      for (const raw of page) yield reading.letter(raw);
      left = page.length < pageSize ? 0 : left - page.length;
    }
  } finally {
    await settled();
    await reading.end(source);
  }
}

async function open(purpose: string, model: Model) {
  try {
    return await createChannel(model);
  } catch (error) {
    throw explain(purpose, error);
  }
}

/** A channel on which dead letters are in flight. */
class Reading {
  readonly #session: RabbitmqSession;
  readonly #queueName: string;
  readonly #channel: Channel;
  #hasEnded = false;
  #error: Error | undefined;

  constructor(session: RabbitmqSession, queueName: string, channel: Channel) {
    this.#session = session;
    this.#queueName = queueName;
    this.#channel = channel;
    channel.on("error", (error) => this.#error = error);
    channel.on("close", () => this.#hasEnded = true);
  }

  /** Calls a method of the channel, and explains its errors. */
  async ask<T>(purpose: string, question: (channel: Channel) => Promise<T>): Promise<T> {
    try {
      return await question(this.#channel);
    } catch (error) {
      throw explain(purpose, this.#error ?? error);
    }
  }

  /** Converts a delivery to a dead letter. */
  letter(raw: Delivered): StoredDeadLetter {
    const { content, properties } = raw;
    return {
      data: content,
      diedAt: timeOfDeath(properties.headers),
      requeue: async (message: Message): Promise<boolean> => {
        const purpose = "requeue";
        this.#assertInFlight(purpose);
        const { confirmedPublisher } = this.#session;
        await confirmedPublisher.publish(message.queueName, message.encode(), properties.priority);
        this.#acknowledge(purpose, raw);
        return true;
      },
      // deno-lint-ignore require-await -- asynchronous for others, and so are its errors
      drop: async (): Promise<boolean> => {
        this.#assertInFlight("drop");
        this.#acknowledge("drop", raw);
        return true;
      },
    };
  }

  /** Requeues the remaining ones, and closes the channel. */
  async end(source: string): Promise<void> {
    const isOpen = !this.#hasEnded;
    this.#hasEnded = true;
    if (!isOpen) return;
    try {
      this.#channel.nackAll(true);
      await this.#channel.checkQueue(source); // its reply comes after they were requeued
    } catch {
      return; // the server requeues them when the channel is closed
    }
    await closeChannel(this.#channel);
  }

  #acknowledge(purpose: string, raw: Delivered): void {
    this.#assertInFlight(purpose);
    try {
      this.#channel.ack(raw);
    } catch (error) {
      throw explain(`${purpose} a dead letter of "${this.#queueName}"`, error);
    }
  }

  #assertInFlight(purpose: string): void {
    if (!this.#hasEnded) return;
    throw new ConnectionClosed(
      `Cannot ${purpose} a dead letter of "${this.#queueName}": it is no longer in flight, the ` +
        "reading has ended or the connection was lost",
      { cause: this.#error },
    );
  }
}

/**
 * Time at which a message was rejected, in milliseconds, of which RabbitMQ stores whole seconds.
 *
 * Source: scenario `nack` in `tests/vectors/rabbitmq_broker.json`.
 */
function timeOfDeath(headers: Readonly<Record<string, unknown>> | undefined): number | undefined {
  const deaths = headers?.["x-death"];
  if (!Array.isArray(deaths)) return undefined;
  const { time } = (deaths[0] ?? {}) as { time?: { value?: unknown } };
  return typeof time?.value === "number" ? time.value * 1_000 : undefined;
}
