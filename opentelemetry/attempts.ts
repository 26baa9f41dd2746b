import type { Span, Tracer } from "@opentelemetry/api";
import type { Broker } from "../core/broker.ts";
import { failureOf } from "../core/failure.ts";
import type { Message } from "../core/message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { monotonicTime } from "../platform/clock.ts";
import { readContext, withSpan } from "./carrier.ts";
import { endDone, endFailed, setAttribute } from "./ending.ts";
import { within } from "./guard.ts";
import type { Tracing } from "./tracing.ts";

/** An attempt, as the process of the worker sees it. */
interface Attempt {
  /** By the monotonic clock of the broker. */
  readonly at: number;
  /** The message before any middleware changed it. */
  readonly message: Message;
}

/** Properties of a delivery; a `Map` would cost Bun a microsecond. */
const ATTEMPT: unique symbol = /* @__PURE__ */ Symbol("attempt");
const SPAN: unique symbol = /* @__PURE__ */ Symbol("span");

interface Traced extends MessageProxy {
  [ATTEMPT]?: Attempt | undefined;
  [SPAN]?: Span | undefined;
}

/**
 * The attempts that run. An attempt begins and ends in the process of the worker; its span begins and
 * ends where its actor runs, that is in between, and mostly in a thread.
 *
 * A span ends once: when the actor settles; when an actor on the event loop is abandoned; or it is
 * written when the thread or process of its actor is gone.
 */
export class Attempts {
  readonly #tracing: Tracing;

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  /** Notes that an attempt begins. */
  begin(broker: Broker, delivery: Traced): void {
    delivery[ATTEMPT] = { at: monotonicTime(broker.clock), message: delivery.message };
  }

  /** Runs an actor within its span. */
  async run(
    tracer: Tracer,
    delivery: Traced,
    next: () => Promise<unknown>,
  ): Promise<unknown> {
    const creation = readContext(delivery.message);
    const span = this.#tracing.startProcess(
      tracer,
      delivery.message,
      delivery.actor?.broker,
      creation,
    );
    if (span === undefined) return await within(creation, next);
    delivery[SPAN] = span;
    let result: unknown;
    try {
      result = await within(withSpan(creation, span), next);
    } catch (error) {
      if (takeSpan(delivery) === span) endFailed(span, failureOf(error, delivery.interruptReason));
      throw error;
    }
    if (takeSpan(delivery) === span) endDone(span);
    return result;
  }

  /**
   * Notes that an attempt is over.
   *
   * @param broker The broker.
   * @param delivery The message.
   * @param reason What it failed with, or why it was skipped.
   * @returns The seconds that it took; `undefined` if it was not seen to begin.
   */
  end(broker: Broker, delivery: Traced, reason: unknown): number | undefined {
    const span = takeSpan(delivery);
    if (span !== undefined) { // still running: abandoned
      setAttribute(span, "dramatiq.abandoned", true);
      endFailed(span, reason);
    }
    const attempt = delivery[ATTEMPT];
    if (attempt === undefined) return undefined;
    delivery[ATTEMPT] = undefined;
    const milliseconds = monotonicTime(broker.clock) - attempt.at;
    if (delivery.killed) {
      const startTime = Date.now() - milliseconds;
      this.#tracing.writeKilled(broker, attempt.message, reason, startTime);
    }
    return milliseconds / 1_000;
  }
}

/** Takes the span of a running attempt, to end it. */
function takeSpan(delivery: Traced): Span | undefined {
  const span = delivery[SPAN];
  delivery[SPAN] = undefined;
  return span;
}
