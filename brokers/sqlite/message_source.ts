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
 * A claimed row. `body` is `null` if it is long, and thus in a table of its own; `deaths` is `null`
 * unless the message is a suspect.
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
  /** Name of the queue in the database, which has no delay queues. */
  readonly storedName: string;
  /** True if there are messages to claim; reads without a transaction. */
  hasMore(queue: number): boolean;
  /** Claims messages, inside a transaction. */
  claim(queue: number, owner: number, limit: number): ClaimedRow[];
  /** True if the last claim may have made messages ready, instead of claiming them. */
  readonly hasPromoted: boolean;
  /** Decodes a message. */
  decode(row: ClaimedRow, body: Encoded): SqliteDelivery;
  /** Cancels its timer. */
  close(): void;
}

/** Source of ready messages. */
class ReadySource implements MessageSource {
  readonly storedName: string;
  readonly hasPromoted = false;
  readonly #connection: SqliteConnection;

  constructor(connection: SqliteConnection, queueName: string) {
    this.#connection = connection;
    this.storedName = queueName;
  }

  /** True if a message is ready. */
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

  /** Has no timer. */
  close(): void {}
}

/** Hooks that are called for a delayed message when it is due. */
const HOOKS: readonly HookName[] = [
  "beforeDelayMessage",
  "afterDelayMessage",
  "beforeEnqueue",
  "afterEnqueue",
];

/**
 * Source of delayed messages that are due. Without middleware that has hooks for them, they are made
 * ready in the database, without reading their bodies. With such middleware, they are claimed, so that
 * the worker calls the hooks and promotes each message.
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
   * Stores the queue.
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

  /** True if a message is due; otherwise sets a timer for the next one. */
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

  /** Decodes a message, and restores its delay queue and eta, as it was sent. */
  decode([id, , due]: ClaimedRow, body: Encoded): SqliteDelivery {
    const message = decodeFromQueue(this.storedName, body);
    if (message instanceof UndecodableMessage) return new SqliteDelivery(message, id);
    return new SqliteDelivery(
      message.copy({ queueName: this.#queueName, options: { eta: due } }),
      id,
    );
  }

  /** Cancels the timer. */
  close(): void {
    this.#broker.clock.clearTimer(this.#timer);
  }
}

/** @returns A function that opens the source of a queue or delay queue. */
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
