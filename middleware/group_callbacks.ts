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
import { storeFollowUp } from "./follow_up.ts";

/** Options for {@linkcode GroupCallbacks}. */
export interface GroupCallbacksOptions {
  /**
   * Milliseconds that a group may take: from its start or the last member that succeeded
   * to the next one. Its callbacks are not sent if it takes longer.
   *
   * @default {86_400_000} A day, or what `dramatiq_group_callback_barrier_ttl` says.
   */
  barrierTtl?: number;
}

/** Membership of a message in one of its groups. */
interface Membership {
  readonly uuid: string;
  readonly member: string;
  /** In wire form, and not checked. */
  readonly callbacks: unknown;
}

/** Milliseconds between two looks whether somebody who was to send the callbacks has done so. */
const CLAIM_INTERVAL = 1_000;

const log = /* @__PURE__ */ getLogger("middleware", "GroupCallbacks");

const KNOWN_OPTIONS: KnownOptions<GroupCallbacksOptions> = {
  barrierTtl: true,
};

/**
 * Sends the completion callbacks of groups: see `group.addCompletionCallback`. It must be on the
 * brokers that run groups and on those of the workers that run members, with the same backend. Put
 * it before `Results`, so that a callback finds the results of all members.
 *
 * Callbacks are sent once, when the last member has succeeded, and before that member is
 * acknowledged. A member that runs again, because its worker died, is not counted again. Possible
 * faults:
 *
 * - A worker that dies after it has counted the last member and before it has sent the
 *   callbacks leaves that member unacknowledged: it runs again, and sends them.
 * - A worker that dies in the moment between sending the callbacks and noting that they were
 *   sent leaves them to be sent again. That is the only way for callbacks to be sent twice, as
 *   long as no member runs on a Python worker, which counts a member as often as it runs.
 * - The barrier can expire before the group is done. That is logged as an error, and the
 *   callbacks are not sent.
 * - A member that fails for good keeps the callbacks from being sent, unless they were added
 *   with `when: "settled"`.
 *
 * Source: `groups` in `tests/vectors/retries.json`, scenario `group-callbacks` in
 * `tests/vectors/rate_limits.json`.
 *
 * @example Say so when all are done
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
  /** Milliseconds that a group may take. */
  readonly barrierTtl: number;

  /**
   * Stores where to count.
   *
   * @param rateLimiterBackend Where members are counted.
   * @param options How long groups may take.
   * @throws {RangeError} If that is not a whole number above 0.
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

  /** Counts a member that is skipped, and so acknowledged, as settled. */
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

  /** A pipeline that ends early has settled, and its last message is the member. */
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
        case "claimed": // Whoever sends them may have died. Then it is for this one to do.
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
        throw new TypeError(`they must be a list of messages, not ${JSON.stringify(callbacks)}`);
      }
      const messages = callbacks.map((dict) => Message.fromDict(dict));
      return broker.enqueueMany(messages, { cause: message.message });
    });
    try {
      // Members that run again meanwhile would send them once the claim is over.
      await storeFollowUp(
        broker,
        `that the callbacks of group ${uuid} were sent`,
        message,
        () => this.rateLimiterBackend.concludeGroup(uuid, this.barrierTtl),
      );
    } catch (error) {
      // To run the member again would send them twice for sure.
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

/** The last message of the pipeline that goes on after this one, or this one. */
function lastOfPipeline(dict: MessageDict): MessageDict {
  let last = dict;
  while (true) {
    const next = last.options["pipe_target"] as MessageDict | null | undefined;
    if (typeof next?.options !== "object" || next.options === null) return last;
    last = next;
  }
}
