import type { Broker } from "../core/broker.ts";
import type { ControlChange, ControlStore } from "../core/control_store.ts";
import { SkipMessage } from "../core/errors.ts";
import type { Message } from "../core/message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Middleware } from "../core/middleware.ts";
import type { Timer } from "../platform/clock.ts";
import { getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";
import {
  DONE_PREFIX,
  type PeriodicMessage,
  periodicOf,
  RUN_PREFIX,
  RUN_TTL,
} from "./schedule_state.ts";

const log = /* @__PURE__ */ getLogger("worker", "schedules");

/** Milliseconds for which a finished message is remembered, on brokers that may store it twice. */
const DONE_TTL = 3_600_000;
const RENEWAL_INTERVAL = RUN_TTL / 3;

/**
 * Maintains the marks of unfinished messages of schedules: the entries `run/<message id>`. The
 * scheduler creates a mark together with its message. This middleware of workers whose broker has
 * schedules renews the mark while the message runs and is retried, and removes it when the message
 * has finished.
 *
 * A mark is removed before the message is acknowledged. If the worker dies in between, the message
 * is delivered and marked again; in the other order the mark would stay.
 */
export class RunMarks implements Middleware {
  readonly #broker: Broker;
  readonly #store: ControlStore;
  readonly #onFinished: (name: string) => void;
  /** Running messages by id. */
  readonly #running: Map<string, PeriodicMessage> = new Map();
  #timer: Timer | undefined;

  /**
   * Stores the broker; its hooks do the rest.
   *
   * @param broker The broker.
   * @param store Its control store.
   * @param onFinished Called with the name of a schedule whose message has finished.
   */
  constructor(broker: Broker, store: ControlStore, onFinished: (name: string) => void) {
    this.#broker = broker;
    this.#store = store;
    this.#onFinished = onFinished;
  }

  /** Marks the message. Skips a duplicate of a message that has finished. */
  beforeProcessMessage(_broker: Broker, message: MessageProxy): void | Promise<void> {
    const periodic = periodicOf(message);
    if (periodic === undefined || !this.#hasEntry(periodic)) return;
    return this.#started(message, periodic);
  }

  /** Extends the mark until a retry of the message is due. */
  beforeEnqueue(_broker: Broker, message: Message, delay?: number): void | Promise<void> {
    if (delay === undefined || this.#running.size === 0) return;
    const periodic = this.#running.get(message.messageId);
    if (periodic?.overlap === undefined) return;
    return this.#change([this.#mark(message.messageId, periodic, delay)]).then(() => {});
  }

  /** Removes the mark, unless the message is retried. */
  beforeAck(_broker: Broker, message: MessageProxy): void | Promise<void> {
    return this.#settled(message);
  }

  /** Removes the mark. */
  beforeNack(_broker: Broker, message: MessageProxy): void | Promise<void> {
    return this.#settled(message);
  }

  /** Stops renewing marks. */
  close(): void {
    this.#broker.clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#running.clear();
  }

  /** True if the message has an entry: a mark, or one that prevents a second run. */
  #hasEntry({ overlap }: PeriodicMessage): boolean {
    return overlap !== undefined || !this.#broker.storesWithChanges;
  }

  async #started(message: MessageProxy, periodic: PeriodicMessage): Promise<void> {
    const { messageId } = message;
    const changes: ControlChange[] = [];
    if (!this.#broker.storesWithChanges) {
      changes.push({ key: DONE_PREFIX + messageId, value: null, ifVersion: 0 });
    }
    if (periodic.overlap !== undefined) changes.push(this.#mark(messageId, periodic, 0));
    if (await this.#change(changes) === false) {
      throw new SkipMessage(
        `Message ${messageId} of schedule ${periodic.name} was stored twice, and has run`,
      );
    }
    if (periodic.overlap === undefined) return;
    this.#running.set(messageId, periodic);
    this.#timer ??= this.#broker.clock.setTimer(() => this.#renew(), RENEWAL_INTERVAL);
  }

  #settled(message: MessageProxy): void | Promise<void> {
    const periodic = periodicOf(message);
    if (periodic === undefined || !this.#hasEntry(periodic)) return;
    this.#running.delete(message.messageId);
    if (message.retried) return;
    return this.#finished(message, periodic);
  }

  async #finished({ messageId, failed }: MessageProxy, { name }: PeriodicMessage): Promise<void> {
    const changes: ControlChange[] = [{ key: RUN_PREFIX + messageId, value: null }];
    // A dead letter may be requeued, and must run then.
    if (!failed && !this.#broker.storesWithChanges) {
      changes.push({ key: DONE_PREFIX + messageId, value: { name }, ttl: DONE_TTL });
    }
    await this.#change(changes);
    this.#onFinished(name);
  }

  #mark(messageId: string, { name }: PeriodicMessage, delay: number): ControlChange {
    return { key: RUN_PREFIX + messageId, value: { name }, ttl: RUN_TTL + delay };
  }

  #renew(): void {
    this.#timer = undefined;
    if (this.#running.size === 0) return;
    const marks = Array.from(this.#running, ([id, periodic]) => this.#mark(id, periodic, 0));
    void this.#change(marks);
    this.#timer = this.#broker.clock.setTimer(() => this.#renew(), RENEWAL_INTERVAL);
  }

  /** @returns Whether it was applied; `undefined` if the store failed, which stops no message. */
  async #change(changes: readonly ControlChange[]): Promise<boolean | undefined> {
    try {
      return (await this.#store.change(changes)).applied;
    } catch (error) {
      log.warn("Failed to note the state of a message of a schedule: {reason}", {
        reason: errorMessage(error),
        error,
      });
      return undefined;
    }
  }
}
