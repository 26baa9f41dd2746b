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
import { endSpan, noteError, setAttribute } from "./ending.ts";
import { Flush } from "./flush.ts";
import { activeContext, within } from "./guard.ts";
import { IdleWatch } from "./idle_watch.ts";
import { Measuring } from "./measuring.ts";
import { type Measured, Measurements } from "./measurements.ts";
import { checkOptions, type OpenTelemetryOptions } from "./options.ts";
import { Tracing } from "./tracing.ts";

/** A message or batch that is being sent. */
interface Sending {
  readonly context: Context;
  /** The option of its messages, made with the first of them. */
  traceCtx?: Record<string, string> | undefined;
}

/**
 * Traces messages from the program that sends them to the actors that run, and counts and times
 * them, by the semantic conventions for messaging of OpenTelemetry. Put it first in the list of
 * middleware.
 *
 * Sending makes a span `send QUEUE`, whose context the message carries in its option `trace_ctx`, as
 * instrumentations of Python's dramatiq do. Each attempt makes a span `process QUEUE`, in the thread
 * or process where the actor runs: `trace.getActiveSpan()` gives it there. Retries, pipelines and
 * callbacks stay in the trace of the message that they follow from.
 *
 * Without an SDK it does next to nothing, but passes a trace context on.
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
  /** Of what is sent, and of what is processed: both may go on in turns. */
  readonly #sends: IdleWatch;
  readonly #runs: IdleWatch;
  readonly #flush: Flush = new Flush();
  /** Sends under way, by the ids of their messages: other middleware may take its time, or copy them. */
  readonly #sendings: Map<string, Sending> = new Map();

  /**
   * Stores the options.
   *
   * @param options How spans are related, and where they are made.
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

  /** Makes the span of sending, and measures it. A retry is not new: it keeps what it carries. */
  wrapEnqueue<T extends Message | readonly Message[]>(
    broker: Broker,
    messages: readonly Message[],
    cause: Message | undefined,
    next: () => Promise<T>,
  ): Promise<T> {
    const first = messages[0]; // to take it by a pattern is dear
    if (first === undefined || this.#sends.isIdle(first)) return next();
    if (isAgain(first, cause)) return this.#sendAgain(broker, first, cause, next);
    const { tracer } = this.#tracing;
    const { instruments } = this.#measuring;
    const isTraced = messages.every((one) => traceContextOf(one) !== undefined);
    const measured = instruments && new Measurements(instruments, broker).sending();
    return this.#send(isTraced ? undefined : tracer, broker, messages, cause, next, measured);
  }

  /** Gives a message the context of the span that sends it, unless it has one. */
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

  /** Makes the span of an attempt, which is active while the actor runs. */
  wrapActor(message: MessageProxy, next: () => Promise<unknown>): Promise<unknown> {
    const tracer = this.#runs.isIdle(message.message) ? undefined : this.#tracing.tracer;
    if (tracer !== undefined) return this.#attempts.run(tracer, message, next);
    const creation = readContext(message.message);
    // The worker may have been started in any context.
    return creation === activeContext() ? next() : within(creation, next);
  }

  /** Notes when an attempt begins, and counts it. */
  beforeProcessMessage(broker: Broker, message: MessageProxy): void {
    if (this.#runs.isIdle(message.message) || message.interruptReason !== undefined) return;
    const { instruments } = this.#measuring;
    this.#attempts.begin(broker, message);
    if (instruments !== undefined) new Measurements(instruments, broker).consumed(message);
  }

  /** Times an attempt, and ends its span if that could not be done where it ran. */
  afterProcessMessage(
    broker: Broker,
    message: MessageProxy,
    { exception }: ProcessOutcome,
  ): void {
    this.#end(broker, message, exception);
  }

  /** As {@linkcode OpenTelemetry.afterProcessMessage}; one that was given back is not timed. */
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

  /** Counts data that was no message and went to the dead letters. */
  afterUndecodable(broker: Broker, message: MessageProxy): void {
    this.afterNack(broker, message);
  }

  /** Exports what a thread or process recorded that is about to end. */
  beforeWorkerThreadShutdown(broker: Broker): void | Promise<void> {
    return this.#flush.run(broker, [this.#tracing.provider, this.#measuring.provider]);
  }

  /** Exports what a worker recorded that has stopped. */
  afterWorkerShutdown(broker: Broker): void | Promise<void> {
    return this.beforeWorkerThreadShutdown(broker);
  }

  /** Counts a retry. A snooze is no failed attempt. */
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
        noteError(span, error);
        endSpan(span);
      }
      measured?.(messages, error);
      throw error;
    } finally {
      for (const { messageId } of messages) {
        if (this.#sendings.get(messageId) === sending) this.#sendings.delete(messageId);
      }
    }
    noteSent(sent, span, measured);
    return sent;
  }

  /** Makes the span of a message that is sent without `wrapEnqueue`, in a transaction. */
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
 * Finds the context in which a message is sent. A worker may have been started in any: what it sends
 * belongs to the message that it follows from, and the message of a schedule to none.
 */
function parentOf(message: Message, cause: Message | undefined): Context {
  if (cause !== undefined) return readContext(cause);
  return message.option("periodic") === undefined ? activeContext() : ROOT_CONTEXT;
}

/** Ends the span of what was sent, and counts it: neither duplicates nor what another worker has sent. */
function noteSent(
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

/** True for a retry, and for a message that was snoozed. */
function isAgain(message: Message, cause: Message | undefined): cause is Message {
  return cause !== undefined && message.messageId === cause.messageId;
}
