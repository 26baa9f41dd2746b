import { Buffer } from "node:buffer";
import type { Encoded } from "../../encoders/encoder.ts";
import { Batcher } from "../../clients/redis/batcher.ts";
import { PreparedBatches } from "../../clients/redis/prepared_batches.ts";
import { toArgument } from "../../clients/redis/reply.ts";
import { allStored } from "../../core/delivery_state.ts";
import type { Message } from "../../core/message.ts";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { PROMOTE } from "./delayed_scripts.ts";
import { ENQUEUE, MAX_JOINED } from "./scripts.ts";
import { type RedisSession, runWithRetry } from "./session.ts";

const log = /* @__PURE__ */ getLogger("redis");

/** Length of a UUID. */
const ID_LENGTH = 36;
/** Number of messages from which on packing saves time. */
const MIN_PACKED = 8;
/** Maximum of bytes in a piece: the least that a server can be configured to accept (`proto-max-bulk-len`). */
const MAX_PIECE = 1_048_576;

/**
 * Joins the ids and texts of many messages into three pieces: the client handles each argument several
 * times, which is a third of its time for sending.
 *
 * @param entries Id and text of each message.
 * @returns All ids, the lengths of all texts and all texts; or the entries unchanged, if they are few,
 *   too long for one piece, or not all ASCII, in which lengths count characters and bytes alike.
 */
function packEntries(entries: readonly Encoded[]): readonly Encoded[] {
  if (entries.length < 2 * MIN_PACKED) return entries;
  const ids: string[] = [];
  const texts: string[] = [];
  const lengths: number[] = [];
  let total = 0;
  for (let i = 0; i < entries.length; i += 2) {
    const [id, text] = [entries[i] as string, entries[i + 1]];
    if (typeof text !== "string" || id.length !== ID_LENGTH) return entries;
    ids.push(id);
    texts.push(text);
    lengths.push(text.length);
    total += text.length;
  }
  if (total > MAX_PIECE || total > ids.length * MAX_JOINED) return entries;
  const [allIds, allTexts] = [inAscii(ids.join("")), inAscii(texts.join(""))];
  if (allIds === undefined || allTexts === undefined) return entries;
  return [allIds, lengths.join(), allTexts];
}

/** Splits joined ids of the usual length. */
export function splitIds(packed: Buffer): string[] {
  const text = packed.toString();
  const isPlain = text.length === packed.length;
  const ids: string[] = [];
  for (let i = 0; i < packed.length; i += ID_LENGTH) {
    const end = i + ID_LENGTH;
    ids.push(isPlain ? text.slice(i, end) : packed.subarray(i, end).toString());
  }
  return ids;
}

/**
 * Encodes ASCII. As bytes and not as a string, since the garbage collector does not copy those while
 * they wait for the reply.
 *
 * @returns `undefined` if the text has other characters.
 */
function inAscii(text: string): Buffer | undefined {
  const bytes = Buffer.from(text);
  return bytes.length === text.length ? bytes : undefined;
}

/** @returns Id of a message on Redis, and its text. */
export function toEntry(message: Message): [id: string, text: Encoded] {
  return [message.option("redis_message_id") as string, toArgument(message.encode())];
}

/**
 * Batchers of a broker: two for each queue, for new messages and for promoted ones, created on first
 * use.
 */
export class EnqueueBatcher {
  readonly #session: RedisSession;
  readonly #enqueued: Map<string, Batcher> = new Map();
  readonly #promoted: Map<string, Batcher> = new Map();

  /**
   * Creates no batcher yet.
   *
   * @param session The broker.
   */
  constructor(session: RedisSession) {
    this.#session = session;
  }

  /** Stores new messages on their queues, all or none. */
  store(messages: readonly Message[]): Promise<void> {
    if (messages.length === 1) {
      const [message] = messages as [Message];
      return this.enqueued(message.queueName).add(toEntry(message));
    }
    // All messages are encoded before any is sent: one that cannot be encoded throws.
    const batchesByQueue = new Map<string, PreparedBatches>();
    for (const message of messages) {
      const { queueName } = message;
      let batches = batchesByQueue.get(queueName);
      if (batches === undefined) {
        batches = new PreparedBatches(this.enqueued(queueName));
        batchesByQueue.set(queueName, batches);
      }
      batches.add(toEntry(message));
    }
    return allStored(Array.from(batchesByQueue.values(), (batches) => batches.send()));
  }

  /**
   * Returns the batcher for new messages of a queue.
   *
   * @param queueName The queue or delay queue.
   * @returns Its items are id and text of a message.
   */
  enqueued(queueName: string): Batcher {
    let batcher = this.#enqueued.get(queueName);
    if (batcher === undefined) {
      const { keys, storing } = this.#session;
      const { queue, messages } = keys.of(queueName);
      let isAnnounced = false;
      const send = (entries: readonly Encoded[], since: number) => {
        const args = (again: boolean) => [again ? 1 : 0, ...entries];
        const options = { connection: storing, since };
        const sending = runWithRetry(this.#session, ENQUEUE, [queue, messages], args, options);
        if (isAnnounced) return sending;
        return sending.then((reply) => {
          if (!isAnnounced) this.#announce(queueName);
          isAnnounced = true;
          return reply;
        });
      };
      const isReady = () => storing.isReadyForLarge;
      batcher = new Batcher(send, packEntries, isReady);
      this.#enqueued.set(queueName, batcher);
    }
    return batcher;
  }

  /**
   * Notes the name of a queue for inspectors. A command of its own, so that a producer without the
   * permission for it can still send; workers note the name, too.
   */
  #announce(queueName: string): void {
    const { keys, storing } = this.#session;
    storing.command("note a queue", "sadd", keys.queueNames, queueName).catch((error) => {
      log.debug("Failed to note the queue {queue}: {reason}", {
        queue: queueName,
        reason: errorMessage(error),
        error,
      });
    });
  }

  /**
   * Returns the batcher that promotes delayed messages to a queue.
   *
   * @param queueName The queue.
   * @returns Its items are old id, new id and text of a message.
   */
  promoted(queueName: string): Batcher {
    let batcher = this.#promoted.get(queueName);
    if (batcher === undefined) {
      const { etas, delayed, queue, messages } = this.#session.keys.of(queueName);
      const keys = [etas, delayed, queue, messages];
      batcher = new Batcher((args, since) => {
        return runWithRetry(this.#session, PROMOTE, keys, args, { since });
      });
      this.#promoted.set(queueName, batcher);
    }
    return batcher;
  }

  /** Resolves when all messages have been sent, or have failed to be. */
  async emptied(): Promise<void> {
    const all = [...this.#enqueued.values(), ...this.#promoted.values()];
    await Promise.all(all.map((batcher) => batcher.emptied()));
  }
}
