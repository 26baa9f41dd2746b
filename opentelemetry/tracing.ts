import {
  type Context,
  type ProxyTracerProvider,
  type Span,
  SpanKind,
  trace,
  type Tracer,
  type TracerProvider,
} from "@opentelemetry/api";
import type { Broker } from "../core/broker.ts";
import type { Message } from "../core/message.ts";
import { canonicalQueueName } from "../core/queue_names.ts";
import { VERSION } from "../platform/version.ts";
import { attemptOf, commonAttributes, messageAttributes } from "./attributes.ts";
import { readContext, spanContextOf } from "./carrier.ts";
import { endFailed, setAttribute } from "./ending.ts";
import { guarded, reportFailure } from "./guard.ts";
import type { OpenTelemetryOptions, Relation } from "./options.ts";

/** Name of the tracer and the meter. */
export const SCOPE = "@dq/dramatiq";

/**
 * True for the proxy of an SDK that may be registered later. No `instanceof`: there may be two
 * copies of the API.
 */
function isProxy(provider: TracerProvider): provider is ProxyTracerProvider {
  return "getDelegate" in provider && "getDelegateTracer" in provider;
}

/** Makes the spans of messages. */
export class Tracing {
  readonly #given: TracerProvider | undefined;
  readonly #relation: Relation;
  readonly #more: OpenTelemetryOptions["attributes"];
  /** The provider of `#tracer`. */
  #provider: TracerProvider | undefined;
  #tracer: Tracer | undefined;

  constructor(
    given: TracerProvider | undefined,
    relation: Relation,
    more: OpenTelemetryOptions["attributes"],
  ) {
    this.#given = given;
    this.#relation = relation;
    this.#more = more;
  }

  /** The provider. The global one may be a no-op until an SDK is registered. */
  get provider(): TracerProvider {
    const provider = this.#given ?? trace.getTracerProvider();
    return isProxy(provider) ? provider.getDelegate() : provider;
  }

  /** The tracer; `undefined` while no SDK is registered. Must be fast even then. */
  get tracer(): Tracer | undefined {
    try {
      const provider = this.#given ?? trace.getTracerProvider();
      if (this.#tracer !== undefined && provider === this.#provider) return this.#tracer;
      this.#provider = provider;
      this.#tracer = undefined;
      return this.#tracer = isProxy(provider)
        ? provider.getDelegateTracer(SCOPE, VERSION)
        : provider.getTracer(SCOPE, VERSION);
    } catch (error) {
      reportFailure("get a tracer", error);
      return undefined;
    }
  }

  /** Starts the span of sending a message or a batch; `undefined` if the API fails. */
  startSend(
    tracer: Tracer,
    broker: Broker,
    messages: readonly Message[],
    parent: Context,
  ): Span | undefined {
    return guarded("start a span", () => this.#startSend(tracer, broker, messages, parent));
  }

  #startSend(
    tracer: Tracer,
    broker: Broker,
    messages: readonly Message[],
    parent: Context,
  ): Span {
    const first = messages[0]!;
    if (messages.length === 1) {
      const attributes = messageAttributes("send", first, broker, this.#more);
      const name = `send ${canonicalQueueName(first.queueName)}`;
      return tracer.startSpan(name, { kind: SpanKind.PRODUCER, attributes }, parent);
    }
    const isOneQueue = messages.every(({ queueName }) => queueName === first.queueName);
    const isOneActor = messages.every(({ actorName }) => actorName === first.actorName);
    const queueName = isOneQueue ? canonicalQueueName(first.queueName) : undefined;
    const attributes = {
      ...commonAttributes("send", queueName),
      "messaging.batch.message_count": messages.length,
      ...(isOneActor && { "dramatiq.actor": first.actorName }),
      "dramatiq.broker": broker.constructor.name,
    };
    const name = queueName === undefined ? "send" : `send ${queueName}`;
    return tracer.startSpan(name, { kind: SpanKind.PRODUCER, attributes }, parent);
  }

  /**
   * Starts the span of an attempt.
   *
   * @param tracer The tracer.
   * @param message The message.
   * @param broker Its broker.
   * @param creation The context of the message, with the span of its send, if any.
   * @param startTime Milliseconds since the epoch. @default Now.
   * @returns The span; `undefined` if the API fails.
   */
  startProcess(
    tracer: Tracer,
    message: Message,
    broker: Broker | undefined,
    creation: Context,
    startTime?: number,
  ): Span | undefined {
    const sender = spanContextOf(creation);
    return guarded(
      "start a span",
      () =>
        tracer.startSpan(`process ${canonicalQueueName(message.queueName)}`, {
          kind: SpanKind.CONSUMER,
          attributes: {
            ...messageAttributes("process", message, broker, this.#more),
            "dramatiq.attempt": attemptOf(message),
          },
          links: sender === undefined ? [] : [{ context: sender }],
          root: sender === undefined || this.#relation === "link",
          ...(startTime !== undefined && { startTime }),
        }, creation),
    );
  }

  /**
   * Writes the span of an attempt whose thread or process was killed or has crashed.
   *
   * @param broker The broker.
   * @param message The message.
   * @param reason The reason of the kill, or the error of the crash.
   * @param startTime When the attempt began, in milliseconds since the epoch.
   */
  writeKilled(broker: Broker, message: Message, reason: unknown, startTime: number): void {
    const { tracer } = this;
    if (tracer === undefined) return;
    const creation = readContext(message);
    const span = this.startProcess(tracer, message, broker, creation, startTime);
    if (span === undefined) return;
    setAttribute(span, "dramatiq.killed", true);
    endFailed(span, reason);
  }
}
