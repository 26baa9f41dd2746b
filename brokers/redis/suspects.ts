import type { Buffer } from "node:buffer";
import type { Encoded } from "../../encoders/encoder.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import type { Suspicion } from "../../core/suspicion.ts";
import { noteOfWorker } from "../../core/suspicion.ts";
import type { RedisDelivery } from "./delivery.ts";
import type { QueueKeys } from "./keys.ts";
import { ACK, NACK } from "./scripts.ts";
import type { RedisSession, RunScript } from "./session.ts";
import { BEGIN } from "./suspect_scripts.ts";

/** Suspects of one consumer: messages that were in flight when a worker died. */
export class Suspects {
  /** True once the consumer has fetched one. */
  isUsed = false;
  readonly #session: RedisSession;
  readonly #keys: QueueKeys;
  readonly #run: RunScript;

  /**
   * Stores what its scripts need.
   *
   * @param session The broker.
   * @param keys Keys of the queue.
   * @param run Runs a script, with retries during an outage.
   */
  constructor(session: RedisSession, keys: QueueKeys, run: RunScript) {
    this.#session = session;
    this.#keys = keys;
    this.#run = run;
  }

  /**
   * Marks suspects that are about to start.
   *
   * @returns The messages without the suspects that another broker has taken over.
   */
  async begin(messages: readonly MessageProxy[]): Promise<readonly MessageProxy[]> {
    const marked = (messages as readonly RedisDelivery[]).filter(isSuspect);
    if (marked.length === 0) return messages;
    const { unacknowledged, suspects } = this.#keys;
    const note = noteOfWorker(this.#session.clock.now());
    const ids = marked.map(({ id }) => id);
    const reply = await this.#run(BEGIN, [unacknowledged, suspects], [note, ...ids]);
    const begun = new Set((reply as Buffer[]).map(String));
    return messages.filter((one) => !isSuspect(one) || begun.has((one as RedisDelivery).id));
  }

  /** Acknowledges messages, and removes their entries. */
  async ack(deliveries: readonly RedisDelivery[]): Promise<void> {
    const { messages, unacknowledged, suspects } = this.#keys;
    await this.#run(ACK, [messages, unacknowledged, suspects], deliveries.map(({ id }) => id));
  }

  /** Dead-letters a message, and removes its entry. */
  async nack({ id }: RedisDelivery, text: Encoded): Promise<void> {
    const { messages, unacknowledged, etas, deadLetters, deadMessages, suspects } = this.#keys;
    const keys = [messages, unacknowledged, etas, deadLetters, deadMessages, suspects];
    await this.#run(NACK, keys, [id, text]);
  }
}

/** True if a worker died while a message was in flight there. */
export function isSuspect({ suspicion }: MessageProxy): boolean {
  return suspicion !== undefined;
}

/** Parses an entry of the suspects, see `suspect_scripts.ts`. */
export function toSuspicion(entry: Buffer): Suspicion {
  const [deaths, , , ...notes] = entry.toString().split("|");
  return { deaths: Number(deaths), notes: notes.join("|") };
}
