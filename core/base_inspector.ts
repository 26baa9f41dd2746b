import type {
  Ability,
  ChangeOutcome,
  FoundMessages,
  InspectedMessage,
  InspectOptions,
  Inspector,
  MessageChange,
  MessagePage,
  MessageQuery,
  MessageRef,
  MessageState,
  Overview,
  OverviewOptions,
} from "./inspection.ts";
import type { HistoryMinute, WorkerReport } from "./inspection_reports.ts";
import { NotSupported } from "./inspection_error.ts";
import type { InspectionHost } from "./dead_letters.ts";
import { type CheckedQuery, checkQuery, listMessages, type StoredPage } from "./message_listing.ts";
import { findMessages } from "./message_search.ts";
import type { Message } from "./message.ts";
import { type StoredEntry, toInspected } from "./stored_entry.ts";
import { decodeFromQueue } from "./undecodable_message.ts";
import { toCanonicalQueueName } from "./queue_names.ts";
import { checkKnownOptions, type KnownOptions } from "./known_options.ts";

/** Number of messages of one call of `change`. */
const MOST_CHANGES = 500;
/** Number of changes that are under way at once. */
const CHANGES_AT_ONCE = 20;
const LONGEST_HISTORY = 60;

const INSPECT_OPTIONS: KnownOptions<InspectOptions> = { signal: "AbortSignal" };
const OVERVIEW_OPTIONS: KnownOptions<OverviewOptions> = {
  discover: "boolean",
  queueNames: "list",
  signal: "AbortSignal",
};

/** State that each change is for. */
const STATES: Readonly<Record<MessageChange, readonly MessageState[]>> = {
  requeue: ["dead"],
  runNow: ["delayed"],
  drop: ["ready", "delayed", "dead"],
};

/**
 * The part of an inspector that is the same for all brokers: it checks calls, keeps their limits, and
 * changes messages with all hooks. A broker reads and moves what it stores.
 */
export abstract class BaseInspector implements Inspector {
  /** The broker. */
  protected readonly host: InspectionHost;
  /** Reasons why it lacks abilities. */
  readonly #reasons: Readonly<Partial<Record<Ability, string>>>;

  /**
   * Stores the broker.
   *
   * @param host The broker.
   * @param reasons Why it lacks abilities, for those that it lacks.
   */
  constructor(host: InspectionHost, reasons: Readonly<Partial<Record<Ability, string>>> = {}) {
    this.host = host;
    this.#reasons = reasons;
  }

  /** Abilities of this inspector. */
  get abilities(): ReadonlySet<Ability> {
    return new Set(ABILITIES.filter((ability) => this.#reasons[ability] === undefined));
  }

  /** Explains why it cannot do something. */
  whyNot(ability: Ability): string | undefined {
    return this.#reasons[ability];
  }

  /** Counts the messages of all queues. */
  protected abstract readOverview(options: OverviewOptions): Promise<Overview>;

  /** Reads a page of a state that it can browse. */
  protected abstract read(
    query: CheckedQuery,
    after: string | undefined,
    count: number,
  ): Promise<StoredPage>;

  /** Reads one message whole. */
  protected abstract readOne(ref: MessageRef): Promise<StoredEntry | undefined>;

  /**
   * Stores a message on its queue in the place of a dead letter or delayed message: in one step, or in
   * this order.
   *
   * @returns Whether that was still there.
   */
  protected abstract replace(ref: MessageRef, message: Message): Promise<boolean>;

  /** Removes messages, and returns those that existed. */
  protected abstract removeMany(refs: readonly MessageRef[]): Promise<boolean[]>;

  /** Drops all messages of a queue in one state. */
  protected abstract removeAll(
    queueName: string,
    state: MessageState,
    signal: AbortSignal | undefined,
  ): Promise<number>;

  /** Lists the workers. */
  protected abstract readWorkers(signal: AbortSignal | undefined): Promise<WorkerReport[]>;

  /** Reads what workers did. */
  protected abstract readHistory(
    minutes: number,
    signal: AbortSignal | undefined,
  ): Promise<HistoryMinute[]>;

  /** Closes the connection, if it has one of its own. */
  abstract close(): Promise<void>;

  /** Closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Counts the messages of all queues. */
  async overview(options: OverviewOptions = {}): Promise<Overview> {
    checkKnownOptions("count messages", options, OVERVIEW_OPTIONS);
    return await this.readOverview(options);
  }

  /** Lists messages. */
  async list(query: MessageQuery, options: InspectOptions = {}): Promise<MessagePage> {
    checkKnownOptions("list messages", options, INSPECT_OPTIONS);
    const checked = {
      ...checkQuery(query),
      queueName: toCanonicalQueueName(query.queueName, "list the messages of queue"),
    };
    this.assertAble(`browse:${checked.state}`);
    return await listMessages(
      checked,
      (after, count) => this.read(checked, after, count),
      options.signal,
    );
  }

  /** Reads one message whole. */
  async get(
    ref: MessageRef,
    options: InspectOptions = {},
  ): Promise<InspectedMessage | undefined> {
    checkKnownOptions("get a message", options, INSPECT_OPTIONS);
    options.signal?.throwIfAborted();
    const checked = checkRef(ref);
    const entry = await this.readOne(checked);
    return entry && toInspected(entry);
  }

  /** Looks for a message by its id. */
  async find(messageId: string, options: InspectOptions = {}): Promise<FoundMessages> {
    checkKnownOptions("find a message", options, INSPECT_OPTIONS);
    this.assertAble("find");
    return await findMessages(this, messageId, options);
  }

  /** Changes messages one by one. */
  async change(
    refs: readonly MessageRef[],
    change: MessageChange,
    options: InspectOptions = {},
  ): Promise<ChangeOutcome[]> {
    checkKnownOptions("change messages", options, INSPECT_OPTIONS);
    checkChanges(refs, change);
    const checked = refs.map(checkRef);
    this.assertAble("remove");
    if (change === "drop") return await this.#drop(checked);
    return await this.moveMany(checked, options.signal);
  }

  /** Drops all messages of a queue that are in one state. */
  async purge(
    queueName: string,
    state: Exclude<MessageState, "unacknowledged">,
    options: InspectOptions = {},
  ): Promise<number> {
    checkKnownOptions("purge a queue", options, INSPECT_OPTIONS);
    const canonical = toCanonicalQueueName(queueName, "purge queue");
    if (!STATES.drop.includes(state)) {
      throw new RangeError(`Cannot purge the ${state} messages of "${canonical}"`);
    }
    return await this.removeAll(canonical, state, options.signal);
  }

  /** Lists the workers that are alive. */
  async workers(options: InspectOptions = {}): Promise<WorkerReport[]> {
    checkKnownOptions("list workers", options, INSPECT_OPTIONS);
    this.assertAble("workers");
    const workers = await this.readWorkers(options.signal);
    return workers.toSorted((a, b) => a.bootedAt - b.bootedAt || (a.id < b.id ? -1 : 1));
  }

  /** Reads what workers did in the last minutes. */
  async history(minutes: number, options: InspectOptions = {}): Promise<HistoryMinute[]> {
    checkKnownOptions("read the history", options, INSPECT_OPTIONS);
    if (!Number.isSafeInteger(minutes) || minutes < 1 || minutes > LONGEST_HISTORY) {
      throw new RangeError(
        `Cannot read ${minutes} minutes: it must be a whole number from 1 to ${LONGEST_HISTORY}`,
      );
    }
    this.assertAble("history");
    return await this.readHistory(minutes, options.signal);
  }

  /**
   * Refuses what it cannot do.
   *
   * @throws {NotSupported} If it lacks the ability.
   */
  protected assertAble(ability: Ability): void {
    const reason = this.#reasons[ability];
    if (reason === undefined) return;
    throw new NotSupported(ability, `Cannot ${PURPOSES[ability]}: ${reason}`);
  }

  /** Requeues dead letters, or puts delayed messages on their queue. */
  protected async moveMany(
    refs: readonly MessageRef[],
    signal: AbortSignal | undefined,
  ): Promise<ChangeOutcome[]> {
    const outcomes: ChangeOutcome[] = [];
    for (let i = 0; i < refs.length; i += CHANGES_AT_ONCE) {
      signal?.throwIfAborted();
      const some = refs.slice(i, i + CHANGES_AT_ONCE);
      outcomes.push(...await Promise.all(some.map((ref) => this.#moveOne(ref))));
    }
    return outcomes;
  }

  async #drop(refs: readonly MessageRef[]): Promise<ChangeOutcome[]> {
    const removed = await this.removeMany(refs);
    return refs.map((ref, i) => ({ ref, outcome: removed[i] ? "done" : "gone" }));
  }

  async #moveOne(ref: MessageRef): Promise<ChangeOutcome> {
    try {
      return { ref, outcome: await this.#move(ref) ? "done" : "gone" };
    } catch (error) {
      return { ref, outcome: "failed", error: error as Error };
    }
  }

  async #move(ref: MessageRef): Promise<boolean> {
    const entry = await this.readOne(ref);
    if (entry === undefined) return false;
    const message = decodeFromQueue(ref.queueName, entry.data);
    const replace = (other: Message) => this.replace(ref, other);
    if (ref.state === "delayed") {
      return await this.host.runNow(ref.queueName, message, replace);
    }
    const { data, diedAt } = entry;
    const drop = async () => (await this.removeMany([ref]))[0]!;
    const stored = { data, diedAt, requeue: replace, drop };
    return await this.host.requeue(ref.queueName, stored, message);
  }
}

const PURPOSES: Readonly<Record<Ability, string>> = {
  "browse:ready": "list ready messages",
  "browse:delayed": "list delayed messages",
  "browse:unacknowledged": "list unacknowledged messages",
  "browse:dead": "list dead letters",
  unacknowledged: "count unacknowledged messages",
  headAge: "tell how long messages wait",
  find: "find a message",
  remove: "change messages",
  workers: "list workers",
  history: "read the history",
};
const ABILITIES = /* @__PURE__ */ Object.keys(PURPOSES) as Ability[];

/** Names come from outside: an invalid queue name could address other keys of a server. */
function checkRef(ref: MessageRef): MessageRef {
  return { ...ref, queueName: toCanonicalQueueName(ref.queueName, "find queue") };
}

function checkChanges(refs: readonly MessageRef[], change: MessageChange): void {
  if (refs.length > MOST_CHANGES) {
    throw new RangeError(
      `Cannot change ${refs.length} messages at once: ${MOST_CHANGES} is the most`,
    );
  }
  const states = STATES[change];
  const other = refs.find(({ state }) => !states.includes(state));
  if (other === undefined) return;
  throw new RangeError(`Cannot ${change} a message that is ${other.state}`);
}
