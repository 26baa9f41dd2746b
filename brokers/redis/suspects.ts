import type { Buffer } from "node:buffer";
import type { Encoded } from "../../encoders/encoder.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import type { Suspicion } from "../../core/suspicion.ts";
import { noteOfWorker } from "../../core/suspicion.ts";
import type { RedisDelivery } from "./delivery.ts";
import type { QueueKeys } from "./keys.ts";
import { ACK, NACK } from "./scripts.ts";
import type { RedisSession, Run } from "./session.ts";
import { BEGIN } from "./suspect_scripts.ts";

/** Suspects among the messages of one consumer: those that a dead worker had in flight. */
export class Suspects {
  /** True if the consumer has had any. */
  isUsed = false;
  readonly #session: RedisSession;
  readonly #keys: QueueKeys;
  readonly #run: Run;

  /**
   * Stands by a consumer.
   *
   * @param session The broker.
   * @param keys The queue.
   * @param run Runs a script, again until the server is back.
   */
  constructor(session: RedisSession, keys: QueueKeys, run: Run) {
    this.#session = session;
    this.#keys = keys;
    this.#run = run;
  }

  /**
   * Marks those that are about to start.
   *
   * @returns Those that are still the consumer's.
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

  /** Takes messages out for good, and what is noted of them. */
  async ack(deliveries: readonly RedisDelivery[]): Promise<void> {
    const { messages, unacknowledged, suspects } = this.#keys;
    await this.#run(ACK, [messages, unacknowledged, suspects], deliveries.map(({ id }) => id));
  }

  /** Moves a message to the dead letters, and forgets what is noted of it. */
  async nack({ id }: RedisDelivery, text: Encoded): Promise<void> {
    const { messages, unacknowledged, etas, deadLetters, deadMessages, suspects } = this.#keys;
    const keys = [messages, unacknowledged, etas, deadLetters, deadMessages, suspects];
    await this.#run(NACK, keys, [id, text]);
  }
}

/** True if a dead worker had a message in flight. */
export function isSuspect({ suspicion }: MessageProxy): boolean {
  return suspicion !== undefined;
}

/** Reads an entry of the suspects, see `suspect_scripts.ts`. */
export function toSuspicion(entry: Buffer): Suspicion {
  const [deaths, , , ...notes] = entry.toString().split("|");
  return { deaths: Number(deaths), notes: notes.join("|") };
}
