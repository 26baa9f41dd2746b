import type { Fixture } from "./fixture.ts";

/** Message that a Python producer puts on a queue. */
export interface PythonMessage {
  /** Id on Redis. */
  readonly id: string;
  /** The encoded message. */
  readonly text: string;
}

/**
 * Makes a message as Python's dramatiq does.
 *
 * @param queueName The queue or delay queue.
 * @param value Its only argument.
 * @param eta When it is due, for a delay queue.
 */
export function pythonMessage(queueName: string, value: unknown, eta?: number): PythonMessage {
  const id = crypto.randomUUID();
  const text = JSON.stringify({
    queue_name: queueName,
    actor_name: "work",
    args: [value],
    kwargs: {},
    options: { redis_message_id: id, ...(eta !== undefined && { eta }) },
    message_id: crypto.randomUUID(),
    message_timestamp: 1_600_000_000_000,
  });
  return { id, text };
}

/** Puts one message on a queue as Python does, without a script of this library. */
export async function put(
  fixture: Fixture,
  queueName: string,
  { id, text }: PythonMessage,
): Promise<void> {
  await fixture.command("HSET", fixture.key(`${queueName}.msgs`), id, text);
  await fixture.command("RPUSH", fixture.key(queueName), id);
}

/** Puts messages on a queue as Python's dramatiq does, by other commands than ours. */
export async function sendFromPython(
  fixture: Fixture,
  queueName: string,
  values: readonly unknown[],
  eta?: number,
): Promise<void> {
  for (const value of values) await put(fixture, queueName, pythonMessage(queueName, value, eta));
}

/**
 * Leaves behind what a Python worker had fetched when it died.
 *
 * @param fixture Where.
 * @param queueName The queue.
 * @param values The only argument of each message.
 * @param heartbeat When it was last heard of.
 * @returns The id of its broker.
 */
export async function leaveFromPython(
  fixture: Fixture,
  queueName: string,
  values: readonly unknown[],
  heartbeat: number,
): Promise<string> {
  const brokerId = crypto.randomUUID();
  for (const value of values) {
    const { id, text } = pythonMessage(queueName, value);
    await fixture.command("HSET", fixture.key(`${queueName}.msgs`), id, text);
    await fixture.command("SADD", fixture.unacknowledgedKey(brokerId, queueName), id);
  }
  await fixture.command("ZADD", fixture.key("__heartbeats__"), heartbeat, brokerId);
  return brokerId;
}
