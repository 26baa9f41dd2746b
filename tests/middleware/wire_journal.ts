import { assertEquals } from "@std/assert";
import type { Broker, Message, MessageProxy, Middleware } from "@dq/dramatiq";
import type { Placeholders } from "./placeholders.ts";

/** Outcome of a message, as `vectors/retries.json` shows it. */
export interface WireEvent {
  readonly event: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** Notes what is put on queues, in wire form, and what becomes of each delivery. */
export class WireJournal implements Middleware {
  /** Events noted, in order. */
  readonly events: WireEvent[] = [];

  /** Notes a message on a queue. */
  afterEnqueue(_broker: Broker, message: Message, delay: number | undefined): void {
    const { queue_name, actor_name, message_id, args, kwargs, options } = message.asDict();
    const { eta, requeue_timestamp } = options as Record<string, number>;
    this.events.push({
      event: "enqueue",
      queue_name,
      actor_name,
      message: message_id,
      ...(delay !== undefined && { delay }),
      ...(delay !== undefined && requeue_timestamp !== undefined && {
        eta_is_requeue_timestamp_plus_delay: eta === requeue_timestamp + delay,
      }),
      args,
      ...(Object.keys(kwargs).length > 0 && { kwargs }),
      options,
    });
  }

  /** Notes an acknowledgement. */
  beforeAck(_broker: Broker, message: MessageProxy): void {
    this.events.push({ event: "ack", message: message.messageId, queue_name: message.queueName });
  }

  /** Notes a dead letter. */
  beforeNack(_broker: Broker, message: MessageProxy): void {
    this.events.push({
      event: "nack",
      message: message.messageId,
      queue_name: message.queueName,
      options_in_worker_memory: message.message.asDict().options,
    });
  }

  /** Notes a message that was not run. */
  afterSkipMessage(_broker: Broker, message: MessageProxy): void {
    this.events.push({
      event: "skipped",
      message: message.messageId,
      queue_name: message.queueName,
    });
  }
}

/** An event with those of its fields that the captures of pipelines and groups show. */
export function toShown(
  { event, message, queue_name, actor_name, args, delay, options }: WireEvent,
): WireEvent {
  return event !== "enqueue" ? { event, message } : {
    event,
    message,
    queue_name,
    actor_name,
    args,
    ...(delay !== undefined && { delay }),
    options,
  };
}

/**
 * Makes sure that the same became of each message. Of events of different
 * messages the order is not firm, but for which message came up first.
 */
export function assertSameEvents(
  actual: readonly WireEvent[],
  expected: readonly WireEvent[],
  placeholders: Placeholders,
): void {
  const ours = [...Map.groupBy(actual, ({ message }) => message).values()];
  const theirs = [...Map.groupBy(expected, ({ message }) => message).values()];
  assertEquals(ours.map(outline), theirs.map(outline));
  for (const [i, events] of theirs.entries()) {
    for (const [j, event] of events.entries()) {
      placeholders.assertMatch(ours[i]![j], event, `${event.message} event ${j}`);
    }
  }
}

function outline(events: readonly WireEvent[]): string {
  return events.map(({ event, queue_name = "" }) => `${event} ${queue_name}`).join(", ");
}
