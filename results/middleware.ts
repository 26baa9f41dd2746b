import type { Actor } from "../core/actor.ts";
import type { Broker } from "../core/broker.ts";
import { type Duration, toMilliseconds } from "../platform/duration.ts";
import type { SkipMessage } from "../core/errors.ts";
import { Cancelled, WorkerLost } from "../core/interrupt.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { getLogger } from "../platform/logging.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Middleware, ProcessOutcome } from "../core/middleware.ts";
import {
  checkBooleanOption,
  checkNumberOption,
  numberOption,
  type NumberRule,
} from "../middleware/options.ts";
import { showOther } from "../core/other_copy.ts";
import { storeFollowUp } from "../middleware/follow_up.ts";
import { assertTtl, LONGEST_TTL, ResultBackend } from "./backend.ts";

const log = /* @__PURE__ */ getLogger("middleware", "Results");

/** Options for {@linkcode Results}. */
export interface ResultsOptions {
  /** Backend of results. */
  backend: ResultBackend;
  /**
   * True if results are stored. The option `storeResults` of the actor or of the message overrides it.
   *
   * @default {false}
   */
  storeResults?: boolean;
  /**
   * Retention time of results, at most 9007199254740991 ms. The option `resultTtl` (milliseconds) of the
   * actor or of the message overrides it; one of a message that is out of range is ignored.
   *
   * @default {600_000} Ten minutes.
   */
  resultTtl?: Duration;
  /**
   * True if the stack of an error is stored with its name and message, and so visible to all programs
   * that read results: `ResultFailure.origTraceback`. Python ignores it.
   *
   * @default {false}
   */
  storeTracebacks?: boolean;
}

/** The default of `resultTtl`, as in Python. */
const DEFAULT_TTL = 600_000;
const TTL_RULE: NumberRule = { least: 0, isExclusive: true, most: LONGEST_TTL };

const KNOWN_OPTIONS: KnownOptions<ResultsOptions> = {
  backend: true,
  storeResults: "boolean",
  resultTtl: true,
  storeTracebacks: "boolean",
};

/**
 * Stores the results of actors, and their final failures, for `message.getResult`.
 *
 * A message is not acknowledged before its result is stored. While the backend is unavailable the
 * message goes back to its queue and runs again. If a result can never be stored (the encoder
 * refuses it, or it is too large), its message is dead-lettered.
 *
 * - A skipped message has the result `null`, a cancelled one fails with `Cancelled`.
 * - A message that fails has no result until no attempt is left.
 *
 * Source: `middleware` in `tests/vectors/results.json`.
 *
 * @example Get a result
 * ```ts
 * import { actor, Results, setBroker, StubBroker, StubResultBackend, Worker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * broker.addMiddleware(new Results({ backend: new StubResultBackend() }));
 * setBroker(broker);
 *
 * const add = actor(function add(a: number, b: number) {
 *   return a + b;
 * }, { storeResults: true });
 *
 * await using worker = new Worker(broker);
 * await worker.start();
 * const message = await add.send(1, 2);
 * console.log(await message.getResult({ block: true, timeout: 5_000 }));
 * ```
 */
export class Results implements Middleware {
  /** Names of the actor options that this middleware reads. */
  readonly actorOptions: readonly string[] = ["storeResults", "resultTtl"];
  /** Backend of results. */
  readonly resultBackend: ResultBackend;
  readonly #storeResults: boolean;
  readonly #resultTtl: number;
  readonly #storeTracebacks: boolean;
  /** Actors whose results are not stored, and for which a warning was logged. */
  readonly #warned: Set<string> = new Set();

  /**
   * Sets the backend and the defaults.
   *
   * @param options The backend, and defaults for actors without these options.
   * @throws {TypeError} If there is no backend, or an option has a wrong type.
   * @throws {RangeError} If `resultTtl` is not above 0, or too large.
   */
  constructor(options: ResultsOptions) {
    assertKnownOptions("Results", options, KNOWN_OPTIONS);
    const { backend, storeResults = false, resultTtl = DEFAULT_TTL, storeTracebacks = false } =
      options;
    if (!(backend instanceof ResultBackend)) {
      throw new TypeError(
        `Cannot keep results in ${
          showOther(backend, "ResultBackend")
        }: backend must be a ResultBackend`,
      );
    }
    const ttl = toMilliseconds(resultTtl, "resultTtl");
    if (!(ttl > 0)) throw new RangeError(`Cannot keep results for ${ttl} ms: it must be above 0`);
    assertTtl(ttl);
    this.resultBackend = backend;
    this.#storeResults = storeResults;
    this.#resultTtl = ttl;
    this.#storeTracebacks = storeTracebacks;
  }

  /** Refuses invalid options. */
  checkActorOptions(actor: Actor): void {
    checkNumberOption(actor, "resultTtl", TTL_RULE);
    checkBooleanOption(actor, "storeResults");
  }

  /** Stores the result. */
  afterProcessMessage(
    broker: Broker,
    message: MessageProxy,
    { result, exception }: ProcessOutcome,
  ): void | Promise<void> {
    // `beforeNack` stores the failure of a message that has failed without running.
    if (exception !== undefined || message.failed) return;
    if (this.#isStored(broker, message)) return this.#storeResult(broker, message, result);
    if (result === undefined || result === null || this.#warned.has(message.actorName)) return;
    this.#warnOfLoss(message);
  }

  /** Stores the result `null` of a skipped message, or the failure of a cancelled one. */
  afterSkipMessage(
    broker: Broker,
    message: MessageProxy,
    reason: SkipMessage | WorkerLost | Cancelled,
  ): void | Promise<void> {
    // `beforeNack` stores the failure of a message that was skipped and has failed.
    if (reason instanceof WorkerLost || message.failed) return;
    if (!this.#isStored(broker, message)) return;
    if (reason instanceof Cancelled) return this.#storeFailure(broker, message, reason);
    return this.#storeResult(broker, message, null);
  }

  /** Stores the final failure of a message. */
  beforeNack(broker: Broker, message: MessageProxy): void | Promise<void> {
    // As in Python: another worker may know the actor, and requeue the message.
    if (!broker.actors.has(message.actorName) || !this.#isStored(broker, message)) return;
    return this.#storeFailure(broker, message, message.exception);
  }

  #storeFailure(broker: Broker, message: MessageProxy, exception: unknown): Promise<void> {
    return storeFollowUp(broker, "the failure", message, () => {
      return this.resultBackend.storeException(message, exception, {
        ttl: this.#ttlOf(broker, message),
        withTraceback: this.#storeTracebacks,
      });
    });
  }

  #isStored(broker: Broker, message: MessageProxy): boolean {
    // In messages from Python it may be 1.
    return Boolean(broker.getOption<unknown>(message, "storeResults", this.#storeResults));
  }

  #storeResult(broker: Broker, message: MessageProxy, result: unknown): Promise<void> {
    return storeFollowUp(broker, "the result", message, () => {
      return this.resultBackend.storeResult(message, result, this.#ttlOf(broker, message));
    });
  }

  #ttlOf(broker: Broker, message: MessageProxy): number {
    return numberOption(broker, message, "resultTtl", this.#resultTtl, TTL_RULE);
  }

  #warnOfLoss(message: MessageProxy): void {
    if ((message.option("pipeTarget") ?? undefined) !== undefined) return; // the next message gets it
    this.#warned.add(message.actorName);
    log.warn("Actor {actor} returns results that are not stored: its storeResults is not set", {
      actor: message.actorName,
    });
  }
}
