import type { Attributes, Counter, Histogram } from "@opentelemetry/api";
import type { Broker } from "../core/broker.ts";
import { Cancelled, WorkerLost } from "../core/interrupt.ts";
import type { Message } from "../core/message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { canonicalQueueName } from "../core/queue_names.ts";
import { UndecodableMessage } from "../core/undecodable_message.ts";
import { errorType } from "../platform/thrown.ts";
import { commonAttributes, type Operation } from "./attributes.ts";
import { outcomeOfThrown } from "./ending.ts";
import { guarded } from "./guard.ts";
import type { Instruments } from "./measuring.ts";

/** The fields of a message that become attributes. */
type Subject = Pick<Message, "actorName" | "queueName">;

/**
 * Ends the measurement of a send, with the messages that count as sent, and the error of a failure.
 */
export type Measured = (messages: readonly Message[], ...error: [] | [unknown]) => void;

/** Records metrics about messages of a broker. */
export class Measurements {
  readonly #instruments: Instruments;
  readonly #broker: Broker;

  constructor(instruments: Instruments, broker: Broker) {
    this.#instruments = instruments;
    this.#broker = broker;
  }

  /**
   * Starts the measurement of a send.
   *
   * @returns A function that ends the measurement.
   */
  sending(): Measured {
    const startedAt = performance.now();
    return (messages, ...error) => {
      const seconds = (performance.now() - startedAt) / 1_000;
      const { sent, operations } = this.#instruments;
      const more = error.length === 0 ? undefined : { "error.type": errorType(error[0]) };
      for (const [first, count] of countByActor(messages)) {
        add(sent, count, { ...this.#attributesOf("send", first), ...more });
      }
      const first = messages[0]!;
      record(operations, seconds, { ...this.#attributesOf("send", first), ...more });
    };
  }

  /** Counts a message that is passed to its actor. */
  consumed(message: MessageProxy): void {
    add(this.#instruments.consumed, 1, this.#attributesOf("process", message));
  }

  /** Records the duration of an attempt, unless the message was requeued or cancelled. */
  processed(message: MessageProxy, seconds: number, reason: unknown): void {
    if (reason instanceof WorkerLost || reason instanceof Cancelled) return;
    const isError = reason !== undefined && outcomeOfThrown(reason) === "failed";
    const attributes = this.#attributesOf("process", message);
    record(
      this.#instruments.processing,
      seconds,
      isError ? { ...attributes, "error.type": errorType(reason) } : attributes,
    );
  }

  /** Counts a retry. */
  retried(message: Message): void {
    add(this.#instruments.retried, 1, this.#attributesOf("process", message));
  }

  /** Counts a dead letter. */
  dead(message: MessageProxy): void {
    const { exception } = message;
    add(this.#instruments.dead, 1, {
      ...this.#attributesOf("process", message),
      ...(exception !== undefined && { "error.type": errorType(exception) }),
    });
  }

  /**
   * Undeclared actors are all named `(unknown)`: their number is not limited, and metrics must be.
   */
  #attributesOf(operation: Operation, subject: Subject | MessageProxy): Attributes {
    const attributes = commonAttributes(operation, canonicalQueueName(subject.queueName));
    const isUndecodable = "message" in subject && subject.message instanceof UndecodableMessage;
    const isKnown = operation === "send" || this.#broker.actors.has(subject.actorName);
    attributes["dramatiq.actor"] = isUndecodable
      ? "(undecodable)"
      : isKnown
      ? subject.actorName
      : "(unknown)";
    return attributes;
  }
}

function add(counter: Counter, count: number, attributes: Attributes): void {
  guarded("count messages", () => counter.add(count, attributes));
}

function record(histogram: Histogram, seconds: number, attributes: Attributes): void {
  guarded("record a duration", () => histogram.record(seconds, attributes));
}

/** The first message of each queue and actor, with the number of messages. */
function countByActor(messages: readonly Message[]): Iterable<[Message, number]> {
  if (messages.length === 1) return [[messages[0]!, 1]];
  const counts = new Map<string, [Message, number]>();
  for (const message of messages) {
    const key = `${message.queueName} ${message.actorName}`;
    const found = counts.get(key);
    if (found === undefined) counts.set(key, [message, 1]);
    else found[1] += 1;
  }
  return counts.values();
}
