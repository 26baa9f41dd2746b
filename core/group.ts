import type { Broker } from "./broker.ts";
import { cancelMessages, type CancelOptions, cancelTargetOf } from "./cancellation.ts";
import { CompletionCallbacks } from "./completion_callbacks.ts";
import { type Duration, toMilliseconds } from "../platform/duration.ts";
import { getBroker } from "./global_broker.ts";
import { assertKnownOptions, checkKnownOptions, type KnownOptions } from "./known_options.ts";
import { showOther } from "./other_copy.ts";
import { Message } from "./message.ts";
import {
  commonBroker,
  hasResult,
  isSettled,
  Pipeline,
  PIPELINE_OPTIONS,
  type PipelineOptions,
  timeLeft,
} from "./pipeline.ts";
import { checkResultOptions, type GetResultOptions } from "./result_source.ts";

/** Options of {@linkcode group}. */
export type GroupOptions = PipelineOptions;

/** Step of a group. */
// deno-lint-ignore no-explicit-any -- the results are inferred from the parts
export type GroupStep = Message<any, any> | Pipeline<any, any> | Group<any>;

/** Options of {@linkcode Group.run}. */
export interface RunGroupOptions {
  /** Delay of every member. */
  delay?: Duration | undefined;
  /** Ends the wait for the server when it aborts, see `EnqueueOptions.signal`. */
  signal?: AbortSignal | undefined;
}

/** Options of {@linkcode Group.addCompletionCallback}. */
export interface CompletionCallbackOptions {
  /**
   * When to send it: when all members have succeeded, or when all have settled: succeeded,
   * failed for good, or been skipped. For the latter all members must run on workers of
   * this library.
   *
   * @default {"succeeded"}
   */
  when?: "succeeded" | "settled";
}

const RUN_OPTIONS: KnownOptions<RunGroupOptions> = { delay: true, signal: "AbortSignal" };
const CALLBACK_OPTIONS: KnownOptions<CompletionCallbackOptions> = { when: true };
const WAIT_OPTIONS: KnownOptions<Omit<GetResultOptions, "block">> = {
  backend: true,
  signal: "AbortSignal",
  timeout: true,
};

/** Result of a member; an array for a nested group. */
export type MemberResult<S> = S extends Message<infer R, infer _> ? R
  : S extends Pipeline<infer R, infer _> ? R
  : S extends Group<infer R> ? R[]
  : never;

/**
 * Messages that run in parallel. Made by {@linkcode group}.
 *
 * `R` is the result of a member.
 *
 * @example Wait for the results of all members
 * ```ts
 * import { actor, group, Results, StubBroker, StubResultBackend, Worker } from "@dq/dramatiq";
 *
 * await using broker = new StubBroker();
 * broker.addMiddleware(new Results({ backend: new StubResultBackend(), storeResults: true }));
 * const square = actor((n: number) => n * n, { broker, actorName: "square" });
 * await using worker = new Worker(broker);
 * await worker.start();
 *
 * const squares = await group([2, 3, 4].map((n) => square.message(n)), { broker }).run();
 * console.log(await Array.fromAsync(squares.getResults({ block: true }))); // [ 4, 9, 16 ]
 * ```
 */
export class Group<R = unknown> {
  /** The members: messages, pipelines and groups. */
  readonly children: readonly GroupStep[];
  /** Options that it was made with. */
  readonly options: GroupOptions;
  readonly #callbacks: CompletionCallbacks = new CompletionCallbacks();

  /** Use {@linkcode group}, which infers the type of the results. */
  constructor(children: Iterable<GroupStep>, options: GroupOptions = {}) {
    assertKnownOptions("Group", options, PIPELINE_OPTIONS);
    this.children = [...children];
    for (const child of this.children) {
      if (child instanceof Message || child instanceof Pipeline || child instanceof Group) continue;
      throw new TypeError(
        `Cannot put ${
          showOther(child, "Message", "Pipeline", "Group")
        } into a group: it takes messages, pipelines and groups`,
      );
    }
    this.options = options;
  }

  /** Number of members. */
  get length(): number {
    return this.children.length;
  }

  /** The broker that it runs on. */
  get broker(): Broker {
    return this.options.broker ?? commonBroker(this.children.map(brokerOf)) ?? getBroker();
  }

  /**
   * Adds a message to send when all members have succeeded, or settled. It needs the `GroupCallbacks`
   * middleware, here and on the workers.
   *
   * With `when: "succeeded"` it is never sent if a member fails for good or is skipped, unless the dead
   * letter of that member is requeued and succeeds before the barrier expires.
   *
   * @param message The message. Results of members are not added to its arguments.
   * @param options When to send it.
   * @throws {TypeError} If `when` is neither `"succeeded"` nor `"settled"`.
   */
  addCompletionCallback(message: Message, options: CompletionCallbackOptions = {}): void {
    checkKnownOptions("add a completion callback", options, CALLBACK_OPTIONS);
    const { when = "succeeded" } = options;
    this.#callbacks.add(message, when);
  }

  /**
   * Sends all members.
   *
   * @param options A delay for all members, and a signal.
   * @returns This group.
   * @throws {TypeError} If it has completion callbacks and the broker no `GroupCallbacks`
   *   middleware, or a member is itself a group.
   * @throws {RangeError} If it has completion callbacks and no members.
   * @throws The same as `actor.send`.
   */
  async run(options: RunGroupOptions = {}): Promise<this> {
    checkKnownOptions("run a group", options, RUN_OPTIONS);
    const { signal } = options;
    const { broker } = this;
    const children = this.#callbacks.isEmpty
      ? this.children
      : await this.#callbacks.begin(broker, this.children);
    const nested = options.delay === undefined
      ? { signal }
      : { delay: toMilliseconds(options.delay, "delay"), signal };
    const sending = { ...nested, isPart: true };
    let batch: Message[] = [];
    const sendBatch = async () => {
      await broker.enqueueMany(batch, sending);
      batch = [];
    };
    for (const child of children) {
      if (child instanceof Message) {
        batch.push(child);
      } else {
        await sendBatch();
        await onBroker(child, broker).run(nested);
      }
    }
    await sendBatch();
    return this;
  }

  /**
   * True if all members have a result. Rejects with a `ResultFailure` once a member has failed, as
   * in the reference; {@linkcode Group.settled} does not.
   */
  get completed(): Promise<boolean> {
    return this.completedCount.then((count) => count === this.length);
  }

  /** True if every member has a result or has failed for good. */
  get settled(): Promise<boolean> {
    const { broker } = this;
    const settled = this.children.map((child) =>
      child instanceof Message ? isSettled([child], broker) : onBroker(child, broker).settled
    );
    return Promise.all(settled).then((all) => all.every(Boolean));
  }

  /** Number of members that have a result; a nested group counts as one when it is complete. */
  get completedCount(): Promise<number> {
    const { broker } = this;
    const completed = this.children.map((child) =>
      child instanceof Message ? hasResult(child, broker) : onBroker(child, broker).completed
    );
    return Promise.all(completed).then((all) => all.filter(Boolean).length);
  }

  /**
   * Gets the results of the members in order; that of a nested group is an array.
   *
   * @param options Whether to wait, and how long for all results together.
   * @returns The results.
   * @throws The same as `message.getResult`.
   */
  async *getResults(options: GetResultOptions = {}): AsyncGenerator<R, void, undefined> {
    checkResultOptions(options);
    const { broker } = this;
    const backend = options.backend ?? broker.getResultBackend();
    const remaining = timeLeft(broker, options);
    for (const child of this.children) {
      const wanted = { ...options, ...remaining(), backend };
      yield await (child instanceof Group
        ? Array.fromAsync(onBroker(child, broker).getResults(wanted))
        : child.getResult(wanted)) as R;
    }
  }

  /**
   * Waits until all members have a result.
   *
   * @param options The timeout.
   * @throws {ResultTimeout} If the timeout is over before.
   * @throws {ResultFailure} If a member failed for good.
   */
  async wait(options: Omit<GetResultOptions, "block"> = {}): Promise<void> {
    checkKnownOptions("wait for a group", options, WAIT_OPTIONS);
    for await (const _result of this.getResults({ ...options, block: true }));
  }

  /**
   * Cancels all members, see `message.cancel`. Completion callbacks with `when: "settled"` are sent, those
   * with `when: "succeeded"` are not.
   *
   * @param options The reason, the grace period and more.
   * @throws The same as `message.cancel`.
   */
  async cancel(options: CancelOptions = {}): Promise<void> {
    const { broker } = this;
    const messages = this.children.filter((child) => child instanceof Message);
    await cancelMessages(broker, messages.map(cancelTargetOf), options);
    for (const child of this.children) {
      if (!(child instanceof Message)) await onBroker(child, broker).cancel(options);
    }
  }

  /** The calls, such as `group([add(1, 2), add(3, 4)])`. */
  toString(): string {
    return `group([${this.children.join(", ")}])`;
  }
}

/** Broker of a member: from its options, or else of the actors of all its messages. */
function brokerOf(part: GroupStep): Broker | undefined {
  if (part instanceof Message) return Message.brokerOf(part);
  if (part.options.broker !== undefined) return part.options.broker;
  return commonBroker(
    part instanceof Pipeline ? part.messages.map(Message.brokerOf) : part.children.map(brokerOf),
  );
}

/** A member, on the broker of the group unless it has one of its own. */
function onBroker<T extends Pipeline | Group>(part: T, broker: Broker): T;
function onBroker(part: Pipeline | Group, broker: Broker): Pipeline | Group {
  if (part.options.broker !== undefined || brokerOf(part) === broker) return part;
  return part instanceof Pipeline
    ? new Pipeline(part.messages, { broker })
    : new Group(part.children, { broker });
}

/**
 * Makes a group of messages, pipelines or groups, which run in parallel.
 *
 * @param children The members.
 * @param options The broker, also of members that have none of their own.
 * @returns The group; nothing is sent before it is run.
 *
 * @example Two downloads at a time
 * ```ts
 * import { actor, group, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 *
 * const download = actor(function download(url: string) {
 *   return `text of ${url}`;
 * });
 *
 * await group([
 *   download.message("https://example.com/a"),
 *   download.message("https://example.com/b"),
 * ]).run();
 * ```
 */
export function group<S extends GroupStep>(
  children: Iterable<S>,
  options: GroupOptions = {},
): Group<MemberResult<S>> {
  return new Group(children, options);
}
