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

/** A running attempt, as recorded in the process of the worker. */
interface Attempt {
  /** When it began, by the monotonic clock of the broker. */
  readonly at: number;
  /** The message before any middleware changed it. */
  readonly message: Message;
}

/** Keys of properties of a delivery. A `Map` instead would take a microsecond on Bun. */
const ATTEMPT: unique symbol = /* @__PURE__ */ Symbol("attempt");
const SPAN: unique symbol = /* @__PURE__ */ Symbol("span");

interface Traced extends MessageProxy {
  [ATTEMPT]?: Attempt | undefined;
  [SPAN]?: Span | undefined;
}

/**
 * Running attempts. `begin` and `end` are called in the process of the worker; in between, `run`
 * makes the span where the actor runs, usually in a thread.
 *
 * A span ends once: when the actor settles, or when an actor on the event loop is abandoned. If the
 * thread or process of the actor is gone, the span is written afterwards.
 */
export class Attempts {
  readonly #tracing: Tracing;

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  /** Records the beginning of an attempt. */
  begin(broker: Broker, delivery: Traced): void {
    delivery[ATTEMPT] = { at: monotonicTime(broker.clock), message: delivery.message };
  }

  /** Runs an actor in its span. */
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
   * Ends an attempt.
   *
   * @param broker The broker.
   * @param delivery The message.
   * @param reason Its error, or the reason of a skip.
   * @returns Its duration in seconds; `undefined` if its beginning was not recorded.
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

/** Removes the span from a delivery, so that only the caller ends it. */
function takeSpan(delivery: Traced): Span | undefined {
  const span = delivery[SPAN];
  delivery[SPAN] = undefined;
  return span;
}
