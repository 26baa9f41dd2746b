import { type Context, context, ROOT_CONTEXT, trace, type Tracer } from "@opentelemetry/api";
import type { Broker } from "../core/broker.ts";
import { Message } from "../core/message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Middleware, ProcessOutcome, SkipMessage } from "../core/middleware.ts";
import type { Cancelled, WorkerLost } from "../core/interrupt.ts";
import { traceContextOf } from "../core/trace_context.ts";
import { Attempts } from "./attempts.ts";
import { attemptOf } from "./attributes.ts";
import { readContext, writeContext } from "./carrier.ts";
import { noteError } from "./ending.ts";
import { IdleWatch } from "./idle_watch.ts";
import { flush } from "./flush.ts";
import { Measuring } from "./measuring.ts";
import { type Measured, Measurements } from "./measurements.ts";
import { checkOptions, type OpenTelemetryOptions } from "./options.ts";
import { Tracing } from "./tracing.ts";

/** What is being sent: `next` of `wrapEnqueue` calls `prepareMessage` before it returns. */
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
  #sending: Sending | undefined;

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
    const measured = instruments && new Measurements(instruments, broker).sending(messages);
    return this.#send(isTraced ? undefined : tracer, broker, messages, cause, next, measured);
  }

  /** Gives a message the context of the span that sends it, unless it has one. */
  prepareMessage(
    broker: Broker,
    message: Message,
    cause: Message | undefined,
  ): Message | undefined {
    const isIdle = cause === undefined && this.#sends.isIdle(message);
    if (isIdle && context.active() === ROOT_CONTEXT) return undefined;
    if (traceContextOf(message) !== undefined || isAgain(message, cause)) return undefined;
    const sending = this.#sending ?? this.#sendAlone(broker, message, cause);
    const traceCtx = sending.traceCtx ??= writeContext(sending.context);
    return traceCtx === undefined ? undefined : message.copy({ options: { traceCtx } });
  }

  /** Makes the span of an attempt, which is active while the actor runs. */
  wrapActor(message: MessageProxy, next: () => Promise<unknown>): Promise<unknown> {
    const tracer = this.#runs.isIdle(message.message) ? undefined : this.#tracing.tracer;
    if (tracer !== undefined) return this.#attempts.run(tracer, message, next);
    if (traceContextOf(message.message) === undefined) return next();
    return context.with(readContext(message.message), next);
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
    return flush(broker, [this.#tracing.provider, this.#measuring.provider]);
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
    const parent = parentOf(cause);
    const span = tracer && this.#tracing.startSend(tracer, broker, messages, parent);
    const active = span === undefined ? parent : trace.setSpan(parent, span);
    try {
      const sent = await this.#during({ context: active }, next);
      // Another worker has sent the message of a schedule: a span that does not end is not exported.
      if (Array.isArray(sent) && sent.length === 0) return sent;
      if (sent instanceof Message) {
        const eta = sent.option("eta");
        if (typeof eta === "number") span?.setAttribute("dramatiq.eta", eta);
        if (sent.isDuplicate) span?.setAttribute("dramatiq.duplicate", true);
        else measured?.();
      } else measured?.();
      span?.end();
      return sent;
    } catch (error) {
      if (span !== undefined) {
        noteError(span, error);
        span.end();
      }
      measured?.(error);
      throw error;
    }
  }

  /** Has `prepareMessage` find the context; another middleware may come between, and take its time. */
  #during<T>(sending: Sending, next: () => Promise<T>): Promise<T> {
    const outer = this.#sending;
    this.#sending = sending;
    try {
      return context.with(sending.context, next);
    } finally {
      this.#sending = outer;
    }
  }

  /** Makes the span of a message that is sent without `wrapEnqueue`, in a transaction. */
  #sendAlone(broker: Broker, message: Message, cause: Message | undefined): Sending {
    const parent = parentOf(cause);
    const { tracer } = this.#tracing;
    if (tracer === undefined) return { context: parent };
    const span = this.#tracing.startSend(tracer, broker, [message], parent);
    span.end();
    return { context: trace.setSpan(parent, span) };
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

/** What follows from a message is sent by the worker, where no span is active. */
function parentOf(cause: Message | undefined): Context {
  return cause === undefined ? context.active() : readContext(cause);
}

/** True for a retry, and for a message that was snoozed. */
function isAgain(message: Message, cause: Message | undefined): cause is Message {
  return cause !== undefined && message.messageId === cause.messageId;
}
