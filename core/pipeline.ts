import type { Broker } from "./broker.ts";
import { cancelMessages, type CancelOptions, cancelTargetOf } from "./cancellation.ts";
import { monotonicTime } from "../platform/clock.ts";
import { ResultFailure, ResultMissing } from "./result_errors.ts";
import { getBroker } from "./global_broker.ts";
import { assertKnownOptions, checkKnownOptions, type KnownOptions } from "./known_options.ts";
import { showOther } from "./other_copy.ts";
import { Message } from "./message.ts";
import { checkResultOptions, type GetResultOptions } from "./result_source.ts";
import { type Duration, toMilliseconds } from "../platform/duration.ts";
import { assertQueueOrDelayQueueName } from "./queue_names.ts";

/** Options of {@linkcode pipeline} and of {@linkcode Group}. */
export interface PipelineOptions {
  /**
   * The broker it runs on.
   *
   * @default The broker of the actors of all its messages; `getBroker()` if they differ, or if a
   *   message was not made by an actor
   */
  broker?: Broker;
}

/** The options of pipelines and groups. */
export const PIPELINE_OPTIONS: KnownOptions<PipelineOptions> = { broker: "Broker" };

/** Options of {@linkcode Pipeline.run}. */
export interface RunOptions {
  /** Delay of the first message; 0 is no delay. */
  delay?: Duration | undefined;
  /** Ends the wait for the server when it aborts, see `EnqueueOptions.signal`. */
  signal?: AbortSignal | undefined;
}

const RUN_OPTIONS: KnownOptions<RunOptions> = { delay: true, signal: "AbortSignal" };

/** A message or pipeline, as a part of a pipeline. */
// deno-lint-ignore no-explicit-any -- what a step takes is checked by PipelineChain
export type PipelineStep = Message<any, any> | Pipeline<any, any>;

/** Result of the last message of a step. */
export type ResultOf<S> = S extends Message<infer R, infer _> ? R
  : S extends Pipeline<infer R, infer _> ? R
  : never;
/** Input of a step. */
export type InputOf<S> = S extends Message<infer _, infer I> ? I
  : S extends Pipeline<infer _, infer I> ? I
  : never;
/** The last of some steps. */
export type LastOf<S extends readonly unknown[]> = S extends readonly [...unknown[], infer L] ? L
  : S[number];
/** The first of some steps. */
export type FirstOf<S extends readonly unknown[]> = S extends readonly [infer F, ...unknown[]] ? F
  : S[number];

/** The steps; a step that does not take the result of the one before it is `never`. */
export type PipelineChain<S extends readonly unknown[]> = S extends
  readonly [infer A, infer B, ...infer Rest]
  ? [ResultOf<A>] extends [InputOf<B>] ? readonly [A, ...PipelineChain<readonly [B, ...Rest]>]
  : readonly [A, never, ...Rest]
  : S;

/** Part of a pipeline that exists only for types. */
export interface Pipeline<R, I> {
  /** Input of its first message. */
  "~pipes"?(value: I): R;
}

/**
 * Messages that run one after another; each gets the result of the one before as its last argument.
 * Made by {@linkcode pipeline} or `message.pipe()`.
 *
 * If a message fails for good, the ones after it never run.
 *
 * `R` is the result of the last message; `I` is the argument that may be piped into the first.
 *
 * @example Count the words of a page
 * ```ts
 * import { actor, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 * const fetchPage = actor((url: string) => `text of ${url}`, { actorName: "fetchPage" });
 * const count = actor((text: string) => text.split(" ").length, { actorName: "count" });
 * await fetchPage.message("https://example.com").pipe(count.message()).run();
 * ```
 */
export class Pipeline<R = unknown, I = unknown> {
  /** The messages in order; the `pipeTarget` of each is the next one. */
  readonly messages: readonly Message[];
  /** Options that it was made with. */
  readonly options: PipelineOptions;

  /** Use {@linkcode pipeline}, which checks that the types fit. */
  constructor(steps: readonly PipelineStep[], options: PipelineOptions = {}) {
    assertKnownOptions("Pipeline", options, PIPELINE_OPTIONS);
    if (steps.length === 0) throw new RangeError("Cannot create a pipeline: it has no messages");
    for (const step of steps) {
      if (step instanceof Message || step instanceof Pipeline) continue;
      throw new TypeError(
        `Cannot put ${
          showOther(step, "Message", "Pipeline")
        } into a pipeline: it takes messages and pipelines`,
      );
    }
    this.messages = link(
      steps.flatMap((step) => step instanceof Pipeline ? step.messages : [step]),
    );
    this.options = options;
  }

  /** Number of messages. */
  get length(): number {
    return this.messages.length;
  }

  /** Makes a longer pipeline; this one does not change. */
  pipe<R2, I2>(
    next: (Message<R2, I2> | Pipeline<R2, I2>) & ([R] extends [I2] ? unknown : never),
  ): Pipeline<R2, I> {
    return new Pipeline<R2, I>([this, next as Message], this.options);
  }

  /**
   * Sends the first message.
   *
   * @param options A delay, unless the first message has a longer one, and a signal.
   * @returns This pipeline.
   * @throws The same as `actor.send`.
   */
  async run(options: RunOptions = {}): Promise<this> {
    checkKnownOptions("run a pipeline", options, RUN_OPTIONS);
    const first = this.messages[0]!;
    const asked = options.delay === undefined ? 0 : toMilliseconds(options.delay, "delay");
    const own = first.option("delay");
    const delay = Math.max(asked, typeof own === "number" ? own : 0);
    const { signal } = options;
    await this.broker.enqueue(first, {
      ...(delay > 0 && { delay }),
      signal,
      isPart: true,
    });
    return this;
  }

  /**
   * True if the last message has a result. Rejects with a `ResultFailure` once that message has
   * failed, as in the reference; {@linkcode Pipeline.settled} does not.
   */
  get completed(): Promise<boolean> {
    return hasResult(this.messages.at(-1)!, this.broker);
  }

  /** True if the last message has a result, or any message has failed for good. */
  get settled(): Promise<boolean> {
    return isSettled(this.messages, this.broker);
  }

  /** Number of messages that have a result. */
  get completedCount(): Promise<number> {
    return countCompleted(this.messages, this.broker);
  }

  /**
   * Gets the result of the last message.
   *
   * @param options Whether and how long to wait.
   * @returns What its actor returned.
   * @throws The same as `message.getResult`.
   */
  async getResult(options: GetResultOptions = {}): Promise<R> {
    checkResultOptions(options);
    const backend = options.backend ?? this.broker.getResultBackend();
    return await this.messages.at(-1)!.getResult({ ...options, backend }) as R;
  }

  /**
   * Gets the results of all messages.
   *
   * @param options Whether to wait, and how long for all results together.
   * @returns The results in order.
   * @throws The same as `message.getResult`.
   */
  getResults(options: GetResultOptions = {}): AsyncIterable<unknown> {
    return resultsOf(this.messages, this.broker, options);
  }

  /**
   * Cancels all messages, see `message.cancel`.
   *
   * @param options The reason, the grace period and more.
   * @throws The same as `message.cancel`.
   */
  async cancel(options: CancelOptions = {}): Promise<void> {
    await cancelMessages(this.broker, this.messages.map(cancelTargetOf), options);
  }

  /** The broker that it runs on. */
  get broker(): Broker {
    return this.options.broker ?? commonBroker(this.messages.map(Message.brokerOf)) ?? getBroker();
  }

  /** The calls, such as `pipeline([add(1, 2), add(3)])`. */
  toString(): string {
    return `pipeline([${this.messages.join(", ")}])`;
  }
}

/**
 * Makes a pipeline of messages or pipelines, which run one after another.
 *
 * @param steps The steps. The next one must take the result of each as its last argument.
 * @param options The broker.
 * @returns The pipeline; nothing is sent before it is run.
 * @throws {RangeError} If there are no steps.
 *
 * @example Download, then count
 * ```ts
 * import { actor, pipeline, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 *
 * const download = actor(function download(url: string) {
 *   return `text of ${url}`;
 * });
 * const count = actor(function count(text: string) {
 *   return text.length;
 * });
 *
 * await pipeline([download.message("https://example.com"), count.message()]).run();
 * ```
 */
export function pipeline<const S extends readonly PipelineStep[]>(
  steps: S & PipelineChain<S>,
  options: PipelineOptions = {},
): Pipeline<ResultOf<LastOf<S>>, InputOf<FirstOf<S>>> {
  return new Pipeline(steps, options);
}

/**
 * @param brokers The brokers of some parts; `undefined` where that is not known.
 * @returns The one that all of them have, if there is one.
 */
export function commonBroker(brokers: readonly (Broker | undefined)[]): Broker | undefined {
  const [first] = brokers;
  return brokers.every((broker) => broker === first) ? first : undefined;
}

/** Sets the `pipeTarget` of each message to the next one. */
function link(messages: readonly Message[]): readonly Message[] {
  const linked = [...messages];
  // Otherwise an invalid queue name of a later message would be found only after those before it ran.
  for (const { queueName } of messages) assertQueueOrDelayQueueName(queueName, "send to queue");
  for (let i = linked.length - 2; i >= 0; i--) {
    linked[i] = linked[i]!.copy({ options: { pipeTarget: linked[i + 1]!.asDict() } });
  }
  return linked;
}

/** @returns Whether a message has a result. @throws {ResultFailure} If it failed. */
export async function hasResult(message: Message, broker: Broker): Promise<boolean> {
  try {
    await message.getResult({ backend: broker.getResultBackend() });
    return true;
  } catch (error) {
    if (error instanceof ResultMissing) return false;
    throw error;
  }
}

/** @returns Whether the last message has a result, or any message has failed. */
export async function isSettled(messages: readonly Message[], broker: Broker): Promise<boolean> {
  try {
    if (await hasResult(messages.at(-1)!, broker)) return true;
    for (const message of messages.slice(0, -1)) await hasResult(message, broker);
    return false;
  } catch (error) {
    if (error instanceof ResultFailure) return true;
    throw error;
  }
}

async function countCompleted(messages: readonly Message[], broker: Broker): Promise<number> {
  let count = 0;
  for (const message of messages) {
    if (!await hasResult(message, broker)) break;
    count += 1;
  }
  return count;
}

async function* resultsOf(
  messages: readonly Message[],
  broker: Broker,
  options: GetResultOptions,
): AsyncGenerator<unknown, void, undefined> {
  checkResultOptions(options);
  const backend = options.backend ?? broker.getResultBackend();
  const remaining = timeLeft(broker, options);
  for (const message of messages) {
    yield await message.getResult({ ...options, ...remaining(), backend });
  }
}

/** @returns A function that returns the rest of the timeout, which several results share. */
export function timeLeft(
  broker: Broker,
  { timeout }: GetResultOptions,
): () => { timeout?: number } {
  if (timeout === undefined) return () => ({});
  const deadline = monotonicTime(broker.clock) + timeout;
  return () => ({ timeout: Math.max(0, deadline - monotonicTime(broker.clock)) });
}
