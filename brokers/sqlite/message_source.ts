import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import type { Broker } from "../../core/broker.ts";
import { type Timer, timeUntil } from "../../platform/clock.ts";
import type { HookName } from "../../core/emitter.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { canonicalQueueName, delayQueueName } from "../../core/queue_names.ts";
import { decodeFromQueue, UndecodableMessage } from "../../core/undecodable_message.ts";
import { SqliteDelivery } from "./delivery.ts";
import { CLAIM, CLAIM_DUE, NEXT_DUE, PROBE, PROMOTE } from "./statements.ts";

/**
 * A row that was claimed. Its body is `null` if it is long, and in a table of its own; its deaths
 * are `null` if no dead worker ever had it.
 */
export type ClaimedRow = readonly [
  id: number,
  rank: number,
  due: number,
  body: Encoded | null,
  deaths: number | null,
];

/** Source of a consumer's messages. */
export interface MessageSource {
  /** The queue as the database calls it. */
  readonly storedName: string;
  /** Looks, without a transaction, whether there is something to claim. */
  hasMore(queue: number): boolean;
  /** Claims messages, inside a transaction. */
  claim(queue: number, owner: number, limit: number): ClaimedRow[];
  /** True if the last claim made messages ready for others. */
  readonly hasPromoted: boolean;
  /** Decodes a message. */
  decode(row: ClaimedRow, body: Encoded): SqliteDelivery;
  /** Lets go of timers. */
  close(): void;
}

/** Messages that are ready. */
class ReadySource implements MessageSource {
  readonly storedName: string;
  readonly hasPromoted = false;
  readonly #connection: SqliteConnection;

  constructor(connection: SqliteConnection, queueName: string) {
    this.#connection = connection;
    this.storedName = queueName;
  }

  /** Looks whether a message is ready. */
  hasMore(queue: number): boolean {
    return Boolean(this.#connection.statement(PROBE).get(queue));
  }

  /** Claims the first ones. */
  claim(queue: number, owner: number, limit: number): ClaimedRow[] {
    const rows: unknown[] = this.#connection.arrayStatement(CLAIM).all(owner, queue, limit);
    return rows as ClaimedRow[];
  }

  /** Decodes a message as it is stored. */
  decode([id, , , , deaths]: ClaimedRow, body: Encoded): SqliteDelivery {
    const delivery = new SqliteDelivery(decodeFromQueue(this.storedName, body), id);
    if (deaths !== null) delivery.suspicion = { deaths, notes: "" };
    return delivery;
  }

  /** It has none. */
  close(): void {}
}

/** Hooks that are called for a delayed message when its time has come. */
const HOOKS: readonly HookName[] = [
  "beforeDelayMessage",
  "afterDelayMessage",
  "beforeEnqueue",
  "afterEnqueue",
];

/**
 * Delayed messages whose time has come. Mostly they are made ready where they are, which reads no
 * body. Where middleware wants to hear of them, the worker gets each, and puts it on its queue.
 */
class DueSource implements MessageSource {
  readonly storedName: string;
  hasPromoted = false;
  readonly #connection: SqliteConnection;
  readonly #broker: Broker;
  readonly #queueName: string;
  readonly #wake: () => void;
  #timer: Timer;

  /**
   * Stores where to look.
   *
   * @param connection The connection.
   * @param broker The broker.
   * @param queueName The delay queue.
   * @param wake Called when the next message is due.
   */
  constructor(
    connection: SqliteConnection,
    broker: Broker,
    queueName: string,
    wake: () => void,
  ) {
    this.#connection = connection;
    this.#broker = broker;
    this.#queueName = queueName;
    this.#wake = wake;
    this.storedName = canonicalQueueName(queueName);
  }

  /** Looks whether a message is due; else a timer is set for the next one. */
  hasMore(queue: number): boolean {
    const { clock } = this.#broker;
    clock.clearTimer(this.#timer);
    const next = this.#connection.statement(NEXT_DUE).get(queue) as { due: number } | undefined;
    if (!next) return false;
    if (next.due <= clock.now()) return true;
    this.#timer = clock.setTimer(this.#wake, timeUntil(clock, next.due));
    return false;
  }

  /** Makes messages ready, or claims them. */
  claim(queue: number, owner: number, limit: number): ClaimedRow[] {
    const now = Math.trunc(this.#broker.clock.now());
    this.hasPromoted = !HOOKS.some((hook) => this.#broker.hasHook(hook));
    if (!this.hasPromoted) {
      const rows: unknown[] = this.#connection.arrayStatement(CLAIM_DUE)
        .all(owner, queue, now, limit);
      return rows as ClaimedRow[];
    }
    this.#connection.statement(PROMOTE).run(queue, now);
    return [];
  }

  /** Decodes a message, and shows it as it was sent. */
  decode([id, , due]: ClaimedRow, body: Encoded): SqliteDelivery {
    const message = decodeFromQueue(this.storedName, body);
    if (message instanceof UndecodableMessage) return new SqliteDelivery(message, id);
    return new SqliteDelivery(
      message.copy({ queueName: this.#queueName, options: { eta: due } }),
      id,
    );
  }

  /** Takes the timer back. */
  close(): void {
    this.#broker.clock.clearTimer(this.#timer);
  }
}

/** @returns What makes the source of a queue, or of a delay queue, for its consumer. */
export function sourceOf(
  connection: SqliteConnection,
  broker: Broker,
  queueName: string,
): (wake: () => void) => MessageSource {
  return (wake) =>
    queueName === delayQueueName(queueName)
      ? new DueSource(connection, broker, queueName, wake)
      : new ReadySource(connection, queueName);
}
