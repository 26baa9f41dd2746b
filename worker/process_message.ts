import type { Actor } from "../core/actor.ts";
import type { Broker } from "../core/broker.ts";
import {
  BrokerConnectionError,
  errorMessage,
  Retry,
  SkipMessage,
  SuccessorNotStored,
} from "../core/errors.ts";
import { WorkerLost } from "../core/interrupt.ts";
import { getLogger, type Logger } from "../core/logging.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Executor } from "./executors/executor.ts";

const log = getLogger("worker");

/** What became of a message. `ConsumerLoop.settle` says what that means for its queue. */
export type Outcome =
  | "done"
  | "retried"
  | "failed"
  | "skipped"
  | "skippedAndFailed"
  | "unknownActor"
  | "undecodable"
  | "successorNotStored"
  | "lost";

/**
 * Runs the actor of a message, with all hooks around it. Never throws.
 *
 * It awaits what is a promise and nothing else: a promise too many per message
 * would show.
 *
 * @returns What is to become of the message. Whatever must outlive it is stored.
 */
export async function processMessage(
  broker: Broker,
  executor: Executor,
  message: MessageProxy,
  actor: Actor,
): Promise<Outcome> {
  let result: unknown;
  let exception: unknown;
  try {
    const before = broker.emit("beforeProcessMessage", message);
    if (before !== undefined) await before;
    if (!message.failed) {
      result = executor.run(message, actor);
      if (result instanceof Promise) result = await result;
    }
  } catch (error) {
    if (error instanceof SkipMessage || error instanceof WorkerLost) {
      return skip(broker, message, error);
    }
    // `throw undefined` is a failure like any other.
    exception = error ?? new Error(`Actor ${actor.actorName} threw ${error}`);
    message.stuffException(exception);
    logFailure(message, exception);
  }

  try {
    const after = broker.emit("afterProcessMessage", message, { result, exception });
    if (after !== undefined) await after;
  } catch (error) {
    return successorNotStored(message, error);
  }
  if (message.failed) return "failed";
  return message.retried ? "retried" : "done";
}

async function skip(
  broker: Broker,
  message: MessageProxy,
  reason: SkipMessage | WorkerLost,
): Promise<Outcome> {
  logAbout(log.info, "Message {messageId} of {actor} is skipped: {reason}", message, reason);
  await broker.emit("afterSkipMessage", message);
  if (reason instanceof WorkerLost) return "lost";
  return message.failed ? "skippedAndFailed" : "skipped";
}

/** Decides whether what could not be stored can be stored later. */
function successorNotStored(message: MessageProxy, error: unknown): Outcome {
  const cause = error instanceof SuccessorNotStored ? error.cause : error;
  logAbout(log.error, "Message {messageId} of {actor} is not done: {reason}", message, error);
  if (cause instanceof BrokerConnectionError) return "successorNotStored";
  // It will never be stored. With its retry safe, a dead letter would be a second copy.
  if (message.retried) return "retried";
  message.fail();
  message.stuffException(error);
  return "failed";
}

function logFailure(message: MessageProxy, exception: unknown): void {
  const write = exception instanceof Retry ? log.info : log.error;
  logAbout(write, "Message {messageId} of {actor} failed: {reason}", message, exception);
}

function logAbout(
  write: Logger["info"],
  text: string,
  message: MessageProxy,
  error: unknown,
): void {
  write.call(log, text, {
    messageId: message.messageId,
    actor: message.actorName,
    queue: message.queueName,
    reason: errorMessage(error),
    error,
  });
}
