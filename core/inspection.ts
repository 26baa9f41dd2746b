import type { DecodeError } from "./errors.ts";
import type { Encoded } from "../encoders/encoder.ts";
import type { HistoryMinute, RunningMessage, WorkerReport } from "./inspection_reports.ts";
import type { MessageFields } from "./message_fields.ts";

/** State of a message that a broker keeps. */
export type MessageState = "ready" | "delayed" | "unacknowledged" | "dead";

/**
 * One thing that an {@linkcode Inspector} can do:
 *
 * - `browse:STATE`: lists the messages in that state
 * - `unacknowledged`: counts those that workers have fetched
 * - `headAge`: tells since when the first message of a queue waits
 * - `find`: finds a message by its id
 * - `remove`: drops messages one by one, wherever they are
 * - `workers`: lists workers with their reports
 * - `history`: tells what workers did in the last hour
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
  /** Queues to look at besides those that are discovered. */
  readonly queueNames?: readonly string[];
  /** True to look for queues that neither a worker nor a sender has announced, which takes longer. */
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

/** Number of messages of one queue; `undefined` for what the broker does not tell. */
export interface QueueOverview {
  /** Name of the queue, not that of its delay queue. */
  readonly queueName: string;
  /** Messages that wait for a worker. */
  readonly ready: number | undefined;
  /** Messages that wait for their time. */
  readonly delayed: number | undefined;
  /** Messages that workers have fetched and not settled. */
  readonly unacknowledged: number | undefined;
  /** Dead letters. */
  readonly dead: number | undefined;
  /**
   * Since when the first ready message waits, in milliseconds since the epoch, if there is one: since it
   * was sent, or since its last retry or its eta if that is later. On RabbitMQ, what its sender says.
   */
  readonly headSince: number | undefined;
  /** Workers of any kind that consume it. */
  readonly consumers: number | undefined;
}

/** Place of one message. A message id is none: the same message may be stored twice. */
export interface MessageRef {
  /** Name of the queue, not that of its delay queue. */
  readonly queueName: string;
  /** State in which it was found. */
  readonly state: MessageState;
  /** Key of the broker for it. */
  readonly key: string;
  /** Position on the queue at which it was found: removal from the middle of a long queue is quicker with it. */
  readonly position?: number;
}

/** Which messages to list. */
export interface MessageQuery {
  /** Name of the queue, not that of its delay queue. */
  readonly queueName: string;
  /** State of the messages. */
  readonly state: MessageState;
  /** Only messages of this actor. */
  readonly actorName?: string;
  /** Only messages with this id. */
  readonly messageId?: string;
  /** Only messages whose error contains this text, in any case. */
  readonly error?: string;
  /**
   * Only messages from this time on, in milliseconds since the epoch: the time of death of dead
   * letters, the eta of delayed messages, else the time at which it was sent.
   */
  readonly since?: number;
  /** Only messages before this time. */
  readonly before?: number;
  /**
   * Order by the same time; ready messages are listed as they wait.
   *
   * @default `"newest"` for dead letters, else `"oldest"`
   */
  readonly order?: "oldest" | "newest";
  /** Goes on where another page ended: its `next`. */
  readonly after?: string;
  /** Number of messages on a page, 1 to 200. @default {50} */
  readonly limit?: number;
}

/** Messages of one page. */
export interface MessagePage {
  /** The messages, in order. */
  readonly messages: readonly InspectedMessage[];
  /** Number of messages in this state, of any actor and time; `undefined` if the broker does not tell. */
  readonly total: number | undefined;
  /**
   * Number of messages that were read to find those of the page. A page with a filter ends after
   * 2,000 messages, 4 MiB or 300 ms, whatever it has found by then.
   */
  readonly scanned: number;
  /** Start of the next page; `undefined` if this one is the last. */
  readonly next: string | undefined;
  /** Position at which the page begins, if the queue has moved past the message at which it should. */
  readonly movedTo: number | undefined;
  /** The time of the server, in milliseconds since the epoch. */
  readonly now: number;
}

/** A message where it is stored. */
export interface InspectedMessage {
  /** Its place. */
  readonly ref: MessageRef;
  /** Id of the message; `undefined` if it cannot be decoded. */
  readonly messageId: string | undefined;
  /** Name of its actor; `undefined` if it cannot be decoded. */
  readonly actorName: string | undefined;
  /** When it was sent, in milliseconds since the epoch. */
  readonly sentAt: number | undefined;
  /** When it is due, of delayed messages. */
  readonly eta: number | undefined;
  /** When it died, of dead letters. */
  readonly diedAt: number | undefined;
  /** Number of attempts that had failed when it was last sent. */
  readonly retries: number;
  /** Reason of its last failure, on one line; `undefined` if it has none. */
  readonly error: string | undefined;
  /** Number of bytes that are stored. */
  readonly size: number;
  /** The decoded message, a `Message`; `undefined` if it is cut or cannot be decoded. */
  readonly message: Readonly<Required<MessageFields>> | undefined;
  /** Why it cannot be decoded, if so. */
  readonly decodeError: DecodeError | undefined;
  /** Stored data; of a cut one its beginning. */
  readonly data: Encoded;
  /** True if a list has only the beginning and the end of a long message. `get` has all of it. */
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
 * - `requeue`: puts dead letters back on their queue, with all hooks, as if they were sent now
 * - `runNow`: puts delayed messages on their queue
 * - `drop`: removes messages for good
 */
export type MessageChange = "requeue" | "runNow" | "drop";

/** Outcome of a change of one message: `gone` if it was no longer there, `failed` with its error. */
export type ChangeOutcome =
  | { readonly ref: MessageRef; readonly outcome: "done" | "gone" }
  | { readonly ref: MessageRef; readonly outcome: "failed"; readonly error: Error };

/**
 * Reads what a broker keeps, and changes single messages. Each call reads a bounded number of
 * messages and bytes, however much there is, and none counts as a sign of life of a worker.
 *
 * It has a connection of its own, which the first call opens. Close it when it is no longer needed.
 *
 * @throws {NotSupported} From every method, if the broker has no such ability.
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
   * Tells why it cannot do something.
   *
   * @returns The reason, as a sentence without a period; `undefined` if it can.
   */
  whyNot(ability: Ability): string | undefined;

  /** Counts the messages of all queues: those that are declared, and those that are discovered. */
  overview(options?: OverviewOptions): Promise<Overview>;

  /** Lists messages, a page at a time. Messages that come meanwhile do not move others to other pages. */
  list(query: MessageQuery, options?: InspectOptions): Promise<MessagePage>;

  /**
   * Reads one message whole.
   *
   * @returns The message; `undefined` if it is not there any more.
   */
  get(ref: MessageRef, options?: InspectOptions): Promise<InspectedMessage | undefined>;

  /** Looks for a message by its id. */
  find(messageId: string, options?: InspectOptions): Promise<FoundMessages>;

  /**
   * Changes messages one by one; each change is atomic.
   *
   * @param refs The messages, at most 500.
   * @param change What to do with each of them.
   * @returns The outcomes, in the order of the messages.
   * @throws {RangeError} If they are too many, or in a state that the change is not for.
   */
  change(
    refs: readonly MessageRef[],
    change: MessageChange,
    options?: InspectOptions,
  ): Promise<ChangeOutcome[]>;

  /**
   * Drops all messages of a queue that are in one state. Unacknowledged ones cannot be dropped.
   *
   * @returns Number of messages that were dropped.
   */
  purge(
    queueName: string,
    state: Exclude<MessageState, "unacknowledged">,
    options?: InspectOptions,
  ): Promise<number>;

  /** Lists the workers that are alive, the one that started first first. */
  workers(options?: InspectOptions): Promise<WorkerReport[]>;

  /**
   * Tells what workers did in the last minutes, by actor.
   *
   * @param minutes Number of minutes, 1 to 60.
   * @returns The minutes, the oldest first, the current one last.
   */
  history(minutes: number, options?: InspectOptions): Promise<HistoryMinute[]>;

  /** Closes its connection, if it has one of its own. */
  close(): Promise<void>;
}
