import type { Broker } from "../core/broker.ts";
import type { SkipMessage } from "../core/errors.ts";
import { type Cancelled, WorkerLost } from "../core/interrupt.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { about, getLogger } from "../platform/logging.ts";
import { Message } from "../core/message.ts";
import type { MessageDict } from "../core/message_dict.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { readEnvironmentNumber } from "../platform/runtime.ts";
import type { RateLimiterBackend } from "../rate_limits/backend.ts";
import { Barrier } from "../rate_limits/barrier.ts";
import type { Middleware, ProcessOutcome } from "../core/middleware.ts";
import { showValue } from "../platform/show_value.ts";
import { storeFollowUp } from "./follow_up.ts";

/** Options for {@linkcode GroupCallbacks}. */
export interface GroupCallbacksOptions {
  /**
   * Maximum of milliseconds between the start of a group, or the success of a member, and the success of
   * the next member. If it takes longer, the callbacks are not sent.
   *
   * @default {86_400_000} A day, or the value of `dramatiq_group_callback_barrier_ttl`.
   */
  barrierTtl?: number;
}

/** Membership of a message in one of its groups. */
interface Membership {
  readonly uuid: string;
  readonly member: string;
  /** Messages in wire form, not checked. */
  readonly callbacks: unknown;
}

/** Milliseconds between two checks whether another worker has sent the callbacks. */
const CLAIM_INTERVAL = 1_000;

const log = /* @__PURE__ */ getLogger("middleware", "GroupCallbacks");

const KNOWN_OPTIONS: KnownOptions<GroupCallbacksOptions> = {
  barrierTtl: true,
};

/**
 * Sends the completion callbacks of groups: see `group.addCompletionCallback`. The brokers that run groups
 * and the workers of their members need it, with the same backend. Add it before `Results`, so that a
 * callback can read the results of all members.
 *
 * Callbacks are sent once, when the last member has succeeded, and before that member is acknowledged. A
 * member that runs again, because its worker died, is not counted again. Possible faults:
 *
 * - A worker dies after it has counted the last member, and before it has sent the callbacks: the member
 *   is unacknowledged, runs again, and sends them.
 * - A worker dies after it has sent the callbacks, and before it has noted that: they are sent again.
 *   Otherwise callbacks are sent twice only if members run on Python workers, which count a member each
 *   time it runs.
 * - The barrier expires before the group has completed: that is logged as an error, and the callbacks are
 *   not sent.
 * - A member fails for good: callbacks are sent only if they were added with `when: "settled"`.
 *
 * Source: `groups` in `tests/vectors/retries.json`, scenario `group-callbacks` in
 * `tests/vectors/rate_limits.json`.
 *
 * @example Publish an album when all images were resized
 * ```ts
 * import {
 *   actor,
 *   group,
 *   GroupCallbacks,
 *   setBroker,
 *   StubBroker,
 *   StubRateLimiterBackend,
 *   Worker,
 * } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * broker.addMiddleware(new GroupCallbacks(new StubRateLimiterBackend()));
 * setBroker(broker);
 *
 * const resize = actor(function resize(_image: string) {});
 * const publish = actor(function publish(album: string) {
 *   console.log(`${album} is complete`);
 * });
 *
 * const album = group(["a.png", "b.png"].map((image) => resize.message(image)));
 * album.addCompletionCallback(publish.message("holidays"));
 * await album.run();
 *
 * await using worker = new Worker(broker);
 * await worker.start();
 * await broker.join("default");
 * ```
 */
export class GroupCallbacks implements Middleware {
  /** Backend that counts members. */
  readonly rateLimiterBackend: RateLimiterBackend;
  /** See {@linkcode GroupCallbacksOptions.barrierTtl}. */
  readonly barrierTtl: number;

  /**
   * Stores the backend.
   *
   * @param rateLimiterBackend Backend that counts members.
   * @param options The time that groups may take.
   * @throws {RangeError} If `barrierTtl` is not a whole number above 0.
   */
  constructor(rateLimiterBackend: RateLimiterBackend, options: GroupCallbacksOptions = {}) {
    assertKnownOptions("GroupCallbacks", options, KNOWN_OPTIONS);
    const {
      barrierTtl = readEnvironmentNumber("dramatiq_group_callback_barrier_ttl", 86_400_000),
    } = options;
    if (!(Number.isSafeInteger(barrierTtl) && barrierTtl > 0)) {
      throw new RangeError(
        `Cannot use barrierTtl ${String(barrierTtl)}: it must be a whole number above 0`,
      );
    }
    this.rateLimiterBackend = rateLimiterBackend;
    this.barrierTtl = barrierTtl;
  }

  /** Makes the barrier of a group. */
  async beginGroup(_broker: Broker, completionUuid: string, memberCount: number): Promise<void> {
    const barrier = new Barrier(this.rateLimiterBackend, completionUuid, { ttl: this.barrierTtl });
    await barrier.create(memberCount);
  }

  /** Counts a member that succeeded. */
  afterProcessMessage(
    broker: Broker,
    message: MessageProxy,
    { exception }: ProcessOutcome,
  ): void | Promise<void> {
    if (exception !== undefined || message.failed) return;
    const isMember = message.option("groupCompletionUuid") ?? message.option("groupSettledUuid");
    if (isMember !== undefined) return this.#memberSucceeded(broker, message);
  }

  /** Counts a skipped member as settled. */
  afterSkipMessage(
    broker: Broker,
    message: MessageProxy,
    reason: SkipMessage | WorkerLost | Cancelled,
  ): void | Promise<void> {
    if (message.failed || reason instanceof WorkerLost) return;
    return this.#memberEnded(broker, message);
  }

  /** Counts a member that failed for good as settled. */
  beforeNack(broker: Broker, message: MessageProxy): void | Promise<void> {
    return this.#memberEnded(broker, message);
  }

  async #memberSucceeded(broker: Broker, message: MessageProxy): Promise<void> {
    const dict = message.message.asDict();
    for (const kind of ["completion", "settled"] as const) {
      const membership = membershipOf(dict, kind);
      if (membership !== undefined) await this.#count(broker, message, membership);
    }
  }

  /** Counts a member as settled. Of a pipeline that ends early, the member is the last message. */
  #memberEnded(broker: Broker, message: MessageProxy): void | Promise<void> {
    const isMember = message.option("groupSettledUuid") ?? message.option("pipeTarget");
    if (isMember === undefined) return;
    const membership = membershipOf(lastOfPipeline(message.message.asDict()), "settled");
    if (membership !== undefined) return this.#count(broker, message, membership);
  }

  async #count(broker: Broker, message: MessageProxy, membership: Membership): Promise<void> {
    const { uuid, member, callbacks } = membership;
    while (true) {
      const progress = await storeFollowUp(
        broker,
        `that a member of group ${uuid} is done`,
        message,
        () => this.rateLimiterBackend.countMember(uuid, member, this.barrierTtl),
      );
      switch (progress) {
        case "waiting": // The last member sends them.
          return;
        case "concluded": // This member runs for the second time: its worker died meanwhile.
          return;
        case "complete":
          return await this.#send(broker, message, uuid, callbacks);
        case "missing":
          return log.error(
            "Dropped the callbacks of group {group}: it took longer than {ttl} ms",
            { ...about(message), group: uuid, ttl: this.barrierTtl },
          );
        case "claimed": // Another worker is sending them. It may have died: check again later.
          await new Promise<void>((resolve) => broker.clock.setTimer(resolve, CLAIM_INTERVAL));
      }
    }
  }

  async #send(
    broker: Broker,
    message: MessageProxy,
    uuid: string,
    callbacks: unknown,
  ): Promise<void> {
    await storeFollowUp(broker, `the callbacks of group ${uuid}`, message, () => {
      if (!Array.isArray(callbacks)) {
        throw new TypeError(`they must be a list of messages, not ${showValue(callbacks)}`);
      }
      const messages = callbacks.map((dict) => Message.fromDict(dict));
      return broker.enqueueMany(messages, { cause: message.message });
    });
    try {
      // Otherwise a member that runs again would send them when the claim has expired.
      await storeFollowUp(
        broker,
        `that the callbacks of group ${uuid} were sent`,
        message,
        () => this.rateLimiterBackend.concludeGroup(uuid, this.barrierTtl),
      );
    } catch (error) {
      // To run the member again would certainly send them twice.
      log.warn(
        "Failed to note that the callbacks of group {group} were sent, which may happen again: " +
          "{reason}",
        { ...about(message, error), group: uuid },
      );
    }
  }
}

function membershipOf(dict: MessageDict, kind: "completion" | "settled"): Membership | undefined {
  const { [`group_${kind}_uuid`]: uuid, [`group_${kind}_callbacks`]: callbacks } = dict.options;
  if (typeof uuid !== "string") return undefined;
  return { uuid, member: dict.message_id, callbacks };
}

/** The last message of the pipeline of a message, or the message itself. */
function lastOfPipeline(dict: MessageDict): MessageDict {
  let last = dict;
  while (true) {
    const next = last.options["pipe_target"] as MessageDict | null | undefined;
    if (typeof next?.options !== "object" || next.options === null) return last;
    last = next;
  }
}
