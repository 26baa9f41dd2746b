import { type Context, ROOT_CONTEXT, type Span, type Tracer } from "@opentelemetry/api";
import type { Broker } from "../core/broker.ts";
import { Message } from "../core/message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Middleware, ProcessOutcome, SkipMessage } from "../core/middleware.ts";
import type { Cancelled, WorkerLost } from "../core/interrupt.ts";
import { traceContextOf } from "../core/trace_context.ts";
import { Attempts } from "./attempts.ts";
import { attemptOf } from "./attributes.ts";
import { readContext, withSpan, writeContext } from "./carrier.ts";
import { endSpan, recordError, setAttribute } from "./ending.ts";
import { Flush } from "./flush.ts";
import { activeContext, within } from "./guard.ts";
import { IdleWatch } from "./idle_watch.ts";
import { Measuring } from "./measuring.ts";
import { type Measured, Measurements } from "./measurements.ts";
import { checkOptions, type OpenTelemetryOptions } from "./options.ts";
import { Tracing } from "./tracing.ts";

/** A message or batch that is being sent. */
interface Sending {
  /** Context with the span of the send. */
  readonly context: Context;
  /** Option of all its messages, encoded once. */
  traceCtx?: Record<string, string> | undefined;
}

/**
 * Traces messages from the sending program to the actors, and records metrics, by the semantic
 * conventions for messaging of OpenTelemetry. Must be the first in the list of middleware.
 *
 * Sending makes a span `send QUEUE`. The message carries its context in the option `trace_ctx`, as
 * instrumentations of Python's dramatiq do. Each attempt makes a span `process QUEUE` in the thread
 * or process of the actor, where `trace.getActiveSpan()` returns it. Retries, pipelines and
 * callbacks belong to the trace of the message that they follow from.
 *
 * Without an SDK it only passes on a trace context.
 *
 * @example Trace messages
 * ```ts
 * import { defaultMiddleware, StubBroker } from "@dq/dramatiq";
 * import { OpenTelemetry } from "@dq/dramatiq/opentelemetry";
 *
 * new StubBroker({ middleware: [new OpenTelemetry(), ...defaultMiddleware()] });
 * ```
 */
export class OpenTelemetry implements Middleware {
  readonly #tracing: Tracing;
  readonly #measuring: Measuring;
  readonly #attempts: Attempts;
  /** One for sends and one for runs: a common cache would miss while both alternate. */
  readonly #sends: IdleWatch;
  readonly #runs: IdleWatch;
  readonly #flush: Flush = new Flush();
  /** Pending sends by message id: other middleware may copy the messages, or send them later. */
  readonly #sendings: Map<string, Sending> = new Map();

  /**
   * Stores the options.
   *
   * @param options The providers, and the relation of spans.
   * @throws {TypeError} If an option is unknown or of the wrong type.
   */
  constructor(options: OpenTelemetryOptions = {}) {
    const { relation, tracerProvider, meterProvider, attributes } = checkOptions(options);
    this.#tracing = new Tracing(tracerProvider, relation, attributes);
    this.#measuring = new Measuring(meterProvider);
    this.#attempts = new Attempts(this.#tracing);
    this.#sends = new IdleWatch(this.#tracing, this.#measuring);
    this.#runs = new IdleWatch(this.#tracing, this.#measuring);
  }

  /**
   * Makes the span of a send, and measures it. A retry makes none, and keeps the context it
   * carries.
   */
  wrapEnqueue<T extends Message | readonly Message[]>(
    broker: Broker,
    messages: readonly Message[],
    cause: Message | undefined,
    next: () => Promise<T>,
  ): Promise<T> {
    const first = messages[0]; // faster than destructuring, which uses the iterator
    if (first === undefined || this.#sends.isIdle(first)) return next();
    if (isAgain(first, cause)) return this.#sendAgain(broker, first, cause, next);
    const { tracer } = this.#tracing;
    const { instruments } = this.#measuring;
    const isTraced = messages.every((one) => traceContextOf(one) !== undefined);
    const measured = instruments && new Measurements(instruments, broker).sending();
    return this.#send(isTraced ? undefined : tracer, broker, messages, cause, next, measured);
  }

  /** Adds the context of the send's span to a message, unless it has one. */
  prepareMessage(
    broker: Broker,
    message: Message,
    cause: Message | undefined,
  ): Message | undefined {
    const isIdle = cause === undefined && this.#sends.isIdle(message);
    if (isIdle && activeContext() === ROOT_CONTEXT) return undefined;
    if (traceContextOf(message) !== undefined || isAgain(message, cause)) return undefined;
    const sending = this.#sendings.get(message.messageId) ??
      this.#sendAlone(broker, message, cause);
    const traceCtx = sending.traceCtx ??= writeContext(sending.context);
    return traceCtx === undefined ? undefined : message.copy({ options: { traceCtx } });
  }

  /** Runs the actor in the span of the attempt. */
  wrapActor(message: MessageProxy, next: () => Promise<unknown>): Promise<unknown> {
    const tracer = this.#runs.isIdle(message.message) ? undefined : this.#tracing.tracer;
    if (tracer !== undefined) return this.#attempts.run(tracer, message, next);
    const creation = readContext(message.message);
    // Not in the context in which the worker was started.
    return creation === activeContext() ? next() : within(creation, next);
  }

  /** Records when an attempt begins, and counts it. */
  beforeProcessMessage(broker: Broker, message: MessageProxy): void {
    if (this.#runs.isIdle(message.message) || message.interruptReason !== undefined) return;
    const { instruments } = this.#measuring;
    this.#attempts.begin(broker, message);
    if (instruments !== undefined) new Measurements(instruments, broker).consumed(message);
  }

  /**
   * Records the duration of an attempt, and ends its span if that was not possible where it ran.
   */
  afterProcessMessage(
    broker: Broker,
    message: MessageProxy,
    { exception }: ProcessOutcome,
  ): void {
    this.#end(broker, message, exception);
  }

  /**
   * Like {@linkcode OpenTelemetry.afterProcessMessage}, but without a duration if it is requeued.
   */
  afterSkipMessage(
    broker: Broker,
    message: MessageProxy,
    reason: SkipMessage | WorkerLost | Cancelled,
  ): void {
    this.#end(broker, message, reason);
  }

  /** Counts a dead letter. */
  afterNack(broker: Broker, message: MessageProxy): void {
    const { instruments } = this.#measuring;
    if (instruments !== undefined) new Measurements(instruments, broker).dead(message);
  }

  /** Counts an undecodable message that was dead-lettered. */
  afterUndecodable(broker: Broker, message: MessageProxy): void {
    this.afterNack(broker, message);
  }

  /** Flushes the SDK of a thread or process that is about to end. */
  beforeWorkerThreadShutdown(broker: Broker): void | Promise<void> {
    return this.#flush.run(broker, [this.#tracing.provider, this.#measuring.provider]);
  }

  /** Flushes the SDK of a worker that has stopped. */
  afterWorkerShutdown(broker: Broker): void | Promise<void> {
    return this.beforeWorkerThreadShutdown(broker);
  }

  /** Sends a retry or a snoozed message again, and counts the retry. */
  async #sendAgain<T>(
    broker: Broker,
    message: Message,
    cause: Message,
    next: () => Promise<T>,
  ): Promise<T> {
    const sent = await next();
    const { instruments } = this.#measuring;
    if (instruments !== undefined && attemptOf(message) > attemptOf(cause)) {
      new Measurements(instruments, broker).retried(message);
    }
    return sent;
  }

  async #send<T extends Message | readonly Message[]>(
    tracer: Tracer | undefined,
    broker: Broker,
    messages: readonly Message[],
    cause: Message | undefined,
    next: () => Promise<T>,
    measured: Measured | undefined,
  ): Promise<T> {
    const parent = parentOf(messages[0]!, cause);
    const span = tracer && this.#tracing.startSend(tracer, broker, messages, parent);
    const sending: Sending = { context: withSpan(parent, span) };
    for (const { messageId } of messages) this.#sendings.set(messageId, sending);
    let sent: T;
    try {
      sent = await within(sending.context, next);
    } catch (error) {
      if (span !== undefined) {
        recordError(span, error);
        endSpan(span);
      }
      measured?.(messages, error);
      throw error;
    } finally {
      for (const { messageId } of messages) {
        if (this.#sendings.get(messageId) === sending) this.#sendings.delete(messageId);
      }
    }
    endSend(sent, span, measured);
    return sent;
  }

  /** Makes the span of a message that is sent in a transaction, without `wrapEnqueue`. */
  #sendAlone(broker: Broker, message: Message, cause: Message | undefined): Sending {
    const parent = parentOf(message, cause);
    const { tracer } = this.#tracing;
    if (tracer === undefined) return { context: parent };
    const span = this.#tracing.startSend(tracer, broker, [message], parent);
    if (span !== undefined) endSpan(span);
    return { context: withSpan(parent, span) };
  }

  #end(broker: Broker, message: MessageProxy, reason: unknown): void {
    const seconds = this.#attempts.end(broker, message, reason);
    if (seconds === undefined) return;
    const { instruments } = this.#measuring;
    if (instruments !== undefined) {
      new Measurements(instruments, broker).processed(message, seconds, reason);
    }
  }
}

/**
 * The context of a send: that of the message it follows from, the root context for the message of a
 * schedule, else the active one. The first two come from workers, whose active context is
 * arbitrary.
 */
function parentOf(message: Message, cause: Message | undefined): Context {
  if (cause !== undefined) return readContext(cause);
  return message.option("periodic") === undefined ? activeContext() : ROOT_CONTEXT;
}

/**
 * Ends the span and the measurement of a send. Duplicates, and ticks another worker has sent, do
 * not count.
 */
function endSend(
  sent: Message | readonly Message[],
  span: Span | undefined,
  measured: Measured | undefined,
): void {
  const all = sent instanceof Message ? [sent] : sent;
  const stored = all.filter(({ isDuplicate }) => !isDuplicate);
  if (stored.length > 0) measured?.(stored);
  if (span === undefined) return;
  const eta = sent instanceof Message ? sent.option("eta") : undefined;
  if (typeof eta === "number") setAttribute(span, "dramatiq.eta", eta);
  if (stored.length === 0) setAttribute(span, "dramatiq.duplicate", true);
  endSpan(span);
}

/** True for a retry or a snoozed message. */
function isAgain(message: Message, cause: Message | undefined): cause is Message {
  return cause !== undefined && message.messageId === cause.messageId;
}
