import { Message } from "../core/message.ts";
import type { Schedule } from "../core/schedules.ts";

/**
 * Makes the message of a tick.
 *
 * @param schedule The schedule.
 * @param tick The tick.
 * @param messageId Id of the message.
 * @param messageTimestamp Time of the store, in milliseconds since the epoch.
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
