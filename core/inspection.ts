import type { DecodeError } from "./errors.ts";
import type { Encoded } from "../encoders/encoder.ts";
import type { HistoryMinute, RunningMessage, WorkerReport } from "./inspection_reports.ts";
import type { MessageFields } from "./message_fields.ts";

/** State of a message that a broker keeps. */
export type MessageState = "ready" | "delayed" | "unacknowledged" | "dead";

/**
 * Ability of an {@linkcode Inspector}:
 *
 * - `browse:STATE`: lists the messages in that state
 * - `unacknowledged`: counts those that workers have fetched
 * - `headAge`: reads since when the first message of a queue has been waiting
 * - `find`: finds a message by its id
 * - `remove`: drops single messages at any position
 * - `workers`: lists workers with their reports
 * - `history`: reads what workers did in the last hour
 */
export type Ability =
  | `browse:${MessageState}`
  | "unacknowledged"
  | "headAge"
  | "find"
  | "remove"
  | "workers"
  | "history";

/** Options of a call that only reads. */
export interface InspectOptions {
  /** Ends the call. */
  readonly signal?: AbortSignal;
}

/** Options of {@linkcode Inspector.overview}. */
export interface OverviewOptions extends InspectOptions {
  /** Queues to count, besides discovered ones. */
  readonly queueNames?: readonly string[];
  /** True to search for queues that no worker or sender has announced, which takes longer. */
  readonly discover?: boolean;
}

/** Queues of a broker at one time. */
export interface Overview {
  /** The time of the server, in milliseconds since the epoch. */
  readonly now: number;
  /** The queues, by name. */
  readonly queues: readonly QueueOverview[];
  /** True if there are more queues than one call reads. */
  readonly isPartial: boolean;
}

/**
 * Numbers of messages of one queue; `undefined` if the broker does not report them, or the queue is
 * unavailable, as on a RabbitMQ whose node is down.
 */
export interface QueueOverview {
  /** Name of the queue, not that of its delay queue. */
  readonly queueName: string;
  /** Messages that no worker has fetched. */
  readonly ready: number | undefined;
  /** Messages that are not due yet. */
  readonly delayed: number | undefined;
  /** Messages that workers have fetched and not settled. */
  readonly unacknowledged: number | undefined;
  /** Dead letters. */
  readonly dead: number | undefined;
  /**
   * Time since which the first ready message has been waiting, in milliseconds since the epoch: the time
   * at which it was sent, or of its last retry or its eta if that is later. On RabbitMQ, by the clock of
   * its sender.
   */
  readonly headSince: number | undefined;
  /** Workers of any kind that consume it. */
  readonly consumers: number | undefined;
}

/** Place of one message. An id does not suffice, since a message may be stored twice. */
export interface MessageRef {
  /** Name of the queue, not that of its delay queue. */
  readonly queueName: string;
  /** State in which it was found. */
  readonly state: MessageState;
  /** Key of the message on the broker. */
  readonly key: string;
  /** Position on the queue at which it was found, which speeds up removal from a long queue. */
  readonly position?: number;
}

/** Query of {@linkcode Inspector.list}. */
export interface MessageQuery {
  /** Name of the queue, not that of its delay queue. */
  readonly queueName: string;
  /** State of the messages. */
  readonly state: MessageState;
  /** Only messages of this actor. */
  readonly actorName?: string;
  /** Only messages with this id. */
  readonly messageId?: string;
  /** Only messages whose error contains this text, ignoring case. */
  readonly error?: string;
  /**
   * Only messages from this time on, in milliseconds since the epoch: by the time of death of dead letters,
   * the eta of delayed messages, and the send time of others.
   */
  readonly since?: number;
  /** Only messages before this time. */
  readonly before?: number;
  /**
   * Order by the same time; ready messages are listed in the order of the queue.
   *
   * @default `"newest"` for dead letters, else `"oldest"`
   */
  readonly order?: "oldest" | "newest";
  /** Start of the page: the `next` of the page before. */
  readonly after?: string;
  /** Number of messages on a page, 1 to 200. @default {50} */
  readonly limit?: number;
  /** Maximum of messages to read for a page with a filter, 1 to 2,000. @default {2_000} */
  readonly scan?: number;
}

/** Messages of one page. */
export interface MessagePage {
  /** The messages, in order. */
  readonly messages: readonly InspectedMessage[];
  /** Number of messages in this state, regardless of filters; `undefined` if the broker does not report it. */
  readonly total: number | undefined;
  /**
   * Number of messages that were read for the page. A page with a filter ends after `scan` messages, 4 MiB
   * or 300 ms, even if it is not full.
   */
  readonly scanned: number;
  /** Start of the next page; `undefined` if this one is the last. */
  readonly next: string | undefined;
  /** Position at which the page begins, if the message at which it should begin is gone. */
  readonly movedTo: number | undefined;
  /** The time of the server, in milliseconds since the epoch. */
  readonly now: number;
}

/** A stored message. */
export interface InspectedMessage {
  /** Its place. */
  readonly ref: MessageRef;
  /** Id of the message; `undefined` if it cannot be decoded. */
  readonly messageId: string | undefined;
  /** Name of its actor; `undefined` if it cannot be decoded. */
  readonly actorName: string | undefined;
  /** Time at which it was sent, in milliseconds since the epoch. */
  readonly sentAt: number | undefined;
  /** Eta of a delayed message. */
  readonly eta: number | undefined;
  /** Time of death of a dead letter. */
  readonly diedAt: number | undefined;
  /** Number of retries. */
  readonly retries: number;
  /** Reason of its last failure, on one line; `undefined` if it has none. */
  readonly error: string | undefined;
  /** Size in bytes. */
  readonly size: number;
  /** The decoded message, a `Message`; `undefined` if it is truncated or cannot be decoded. */
  readonly message: Readonly<Required<MessageFields>> | undefined;
  /** Error of decoding it, if it cannot be decoded. */
  readonly decodeError: DecodeError | undefined;
  /** Stored data; of a truncated message its beginning. */
  readonly data: Encoded;
  /** True if a list contains only the beginning and the end of a long message. `get` reads all of it. */
  readonly isCut: boolean;
}

/** Result of a search for a message by its id. */
export interface FoundMessages {
  /** The places of the message. */
  readonly messages: readonly InspectedMessage[];
  /** Workers that run it, by their reports. */
  readonly running: readonly { readonly worker: WorkerReport; readonly message: RunningMessage }[];
  /** Number of messages that were read. */
  readonly scanned: number;
  /** False if there are more messages than a search reads. */
  readonly isComplete: boolean;
}

/**
 * A change of messages:
 *
 * - `requeue`: stores dead letters on their queue, and calls hooks, as if they were sent now
 * - `runNow`: stores delayed messages on their queue
 * - `drop`: removes messages
 */
export type MessageChange = "requeue" | "runNow" | "drop";

/** Outcome of a change of one message: `gone` if it was no longer there, `failed` with its error. */
export type ChangeOutcome =
  | { readonly ref: MessageRef; readonly outcome: "done" | "gone" }
  | { readonly ref: MessageRef; readonly outcome: "failed"; readonly error: Error };

/**
 * Lists the queues, messages and workers of a broker, and changes single messages. Each call reads a bounded
 * number of messages and bytes, and none counts as a heartbeat of a worker.
 *
 * It has a connection of its own, which the first call opens. Close it when it is no longer needed.
 *
 * @throws {NotSupported} From every method, if the broker does not have the ability.
 * @throws {BrokerConnectionError} From every method, if the server cannot be reached.
 *
 * @example List the newest dead letters
 * ```ts
 * import { StubBroker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * broker.declareQueue("mails");
 * await using inspector = broker.inspect();
 * const { messages, total } = await inspector.list({ queueName: "mails", state: "dead" });
 * console.log(messages.length, total); // 0 0
 * ```
 */
export interface Inspector extends AsyncDisposable {
  /** Its abilities. */
  readonly abilities: ReadonlySet<Ability>;

  /**
   * Explains why it does not have an ability.
   *
   * @returns The reason, a sentence without a period; `undefined` if it has the ability.
   */
  whyNot(ability: Ability): string | undefined;

  /** Counts the messages of all declared and discovered queues. */
  overview(options?: OverviewOptions): Promise<Overview>;

  /** Lists messages, a page at a time. New messages do not move others to another page. */
  list(query: MessageQuery, options?: InspectOptions): Promise<MessagePage>;

  /**
   * Reads a whole message.
   *
   * @returns The message; `undefined` if it is gone.
   */
  get(ref: MessageRef, options?: InspectOptions): Promise<InspectedMessage | undefined>;

  /** Searches for a message by its id. */
  find(messageId: string, options?: InspectOptions): Promise<FoundMessages>;

  /**
   * Changes messages one by one; each change is atomic.
   *
   * @param refs The messages, at most 500.
   * @param change The change.
   * @returns The outcomes, in the order of the messages.
   * @throws {RangeError} If there are too many, or the change does not apply to their state.
   */
  change(
    refs: readonly MessageRef[],
    change: MessageChange,
    options?: InspectOptions,
  ): Promise<ChangeOutcome[]>;

  /**
   * Drops all messages of a queue that are in one state. Unacknowledged ones cannot be dropped.
   *
   * @returns The number of dropped messages.
   */
  purge(
    queueName: string,
    state: Exclude<MessageState, "unacknowledged">,
    options?: InspectOptions,
  ): Promise<number>;

  /** Lists the living workers, oldest first. */
  workers(options?: InspectOptions): Promise<WorkerReport[]>;

  /**
   * Reads what workers did in the last minutes, by actor.
   *
   * @param minutes Number of minutes, 1 to 60.
   * @returns The minutes, oldest first; the last one is the current minute.
   */
  history(minutes: number, options?: InspectOptions): Promise<HistoryMinute[]>;

  /** Closes its own connection, if it has one. */
  close(): Promise<void>;
}
