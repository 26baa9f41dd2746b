import type { Attributes } from "@opentelemetry/api";
import { Buffer } from "node:buffer";
import type { Broker } from "../core/broker.ts";
import type { Message } from "../core/message.ts";
import { canonicalQueueName } from "../core/queue_names.ts";
import { reportFailure } from "./guard.ts";
import type { OpenTelemetryOptions } from "./options.ts";

/** Operations on messages, as named by the semantic conventions. */
export type Operation = "send" | "process";

/**
 * Attributes of every span and measurement. `messaging.system` is the former name of
 * `messaging.system.name`.
 */
export function commonAttributes(operation: Operation, queueName: string | undefined): Attributes {
  return {
    "messaging.system": "dramatiq",
    "messaging.system.name": "dramatiq",
    "messaging.operation.name": operation,
    "messaging.operation.type": operation,
    ...(queueName !== undefined && { "messaging.destination.name": queueName }),
  };
}

/**
 * Makes the attributes of a span of one message. Arguments of the message are not included.
 *
 * @param operation The operation.
 * @param message The message.
 * @param broker Its broker, if known.
 * @param more Returns attributes of the application, which take precedence.
 */
export function messageAttributes(
  operation: Operation,
  message: Message,
  broker: Broker | undefined,
  more: OpenTelemetryOptions["attributes"],
): Attributes {
  const { encoded } = message;
  return {
    ...commonAttributes(operation, canonicalQueueName(message.queueName)),
    "messaging.message.id": message.messageId,
    ...(encoded !== undefined && { "messaging.message.body.size": Buffer.byteLength(encoded) }),
    "dramatiq.actor": message.actorName,
    ...(broker !== undefined && { "dramatiq.broker": broker.constructor.name }),
    ...moreAttributes(more, message),
  };
}

/** Number of the attempt, from 1. Snoozes do not count. */
export function attemptOf(message: Message): number {
  const retries = message.option("retries");
  return typeof retries === "number" && retries > 0 ? retries + 1 : 1;
}

function moreAttributes(
  more: OpenTelemetryOptions["attributes"],
  message: Message,
): Attributes | undefined {
  if (more === undefined) return undefined;
  try {
    const given: unknown = more(message);
    if (!(given instanceof Promise)) return { ...given as Attributes | undefined };
    given.catch(() => {}); // only the TypeError is reported
    throw new TypeError("the function returned a promise, and sending does not wait for it");
  } catch (error) {
    reportFailure("get more attributes", error, message);
    return undefined;
  }
}
