import { Message } from "../core/message.ts";
import type { Schedule } from "../core/schedules.ts";

/**
 * Makes the message of a tick.
 *
 * @param schedule The schedule.
 * @param tick The time that was due.
 * @param messageId Its id.
 * @param messageTimestamp The time of the store.
 * @returns The message, not sent yet.
 */
export function tickMessage(
  { name, actorName, queueName, args, kwargs, overlap }: Schedule,
  tick: number,
  messageId: string,
  messageTimestamp: number,
): Message {
  const periodic = { name, tick, ...(overlap !== "allow" && { overlap }) };
  return new Message({
    queueName,
    actorName,
    args,
    ...(kwargs !== undefined && { kwargs }),
    messageId,
    messageTimestamp,
    options: { periodic },
  });
}
