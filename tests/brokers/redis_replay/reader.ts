import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import type { Consumer, MessageProxy } from "@dq/dramatiq";
import type { RedisServer } from "../../support/servers/redis.ts";
import { until } from "../../support/servers/until.ts";

/** Longest time to fetch a message that is there. */
const LONGEST_FETCH = 10_000;

/**
 * Reads a queue as a consumer in Python does: it fetches as many as there is room for,
 * and gives them one by one.
 */
export class Reader {
  readonly #server: RedisServer;
  /** Consumer that it reads with. */
  readonly consumer: Consumer;
  readonly #prefetch: number;
  #unsettled = 0;
  readonly #fetched: MessageProxy[] = [];

  constructor(server: RedisServer, consumer: Consumer, prefetch: number) {
    this.#server = server;
    this.consumer = consumer;
    this.#prefetch = prefetch;
  }

  get #room(): number {
    return this.#prefetch - this.#unsettled;
  }

  /** Fetches many messages at once, which must be there. */
  async fetch(count: number): Promise<MessageProxy[]> {
    const messages = await deadline(this.consumer.receive(count), LONGEST_FETCH);
    this.#unsettled += messages.length;
    return messages;
  }

  /** The next message, which must be there. */
  async next(): Promise<MessageProxy> {
    if (this.#fetched.length === 0) this.#fetched.push(...await this.fetch(this.#room));
    return this.#fetched.shift()!;
  }

  /** Looks for a message where there is none for this consumer, or no room for one. */
  async findNone(): Promise<null> {
    const before = await countScripts(this.#server);
    const stop = new AbortController();
    const receiving = this.consumer.receive(Math.max(this.#room, 1), { signal: stop.signal });
    receiving.catch(() => {}); // told below
    if (this.#room > 0) {
      const hasLooked = async () => await countScripts(this.#server) > before;
      await until(hasLooked, { what: "see the consumer look for messages" });
    }
    // What it sends at once arrives before this.
    await this.#server.command("PING");
    stop.abort();
    assertEquals(await receiving, []);
    return null;
  }

  /** Acknowledges messages. */
  async ack(...messages: readonly MessageProxy[]): Promise<void> {
    await this.consumer.ack(messages);
    this.#unsettled -= messages.length;
  }

  /** Moves messages to the dead letters. */
  async nack(...messages: readonly MessageProxy[]): Promise<void> {
    await this.consumer.nack(messages);
    this.#unsettled -= messages.length;
  }

  /** Gives messages back. */
  async requeue(...messages: readonly MessageProxy[]): Promise<void> {
    await this.consumer.requeue(messages);
    this.#unsettled -= messages.length;
  }
}

/** Number of scripts the server has run. */
export async function countScripts(server: RedisServer): Promise<number> {
  const statistics = String(await server.command("INFO", "commandstats"));
  const calls = [...statistics.matchAll(/^cmdstat_(?:eval|evalsha|fcall):calls=(\d+)/gm)];
  return calls.reduce((sum, [, count]) => sum + Number(count), 0);
}
