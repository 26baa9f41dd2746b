import {
  type RedisControlStore,
  toChangeArguments,
  toOutcome,
} from "../../control/backends/redis.ts";
import { STORE_WITH_CHANGES } from "../../control/backends/redis_scripts.ts";
import type { ClaimValue } from "../../core/claim_entry.ts";
import { checkChanges, type ControlChange, type ControlOutcome } from "../../core/control_store.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import type { RedisSession } from "./session.ts";

/** A message to store, and what to change. */
export interface MessageWithChanges {
  readonly queueName: string;
  readonly id: string;
  readonly text: Encoded;
  readonly changes: readonly ControlChange[];
}

/** Stores a message if changes are applied. */
export async function storeWithChanges(
  { brokerId, keys, serverClock, storing }: RedisSession,
  store: RedisControlStore,
  { queueName, id, text, changes }: MessageWithChanges,
): Promise<ControlOutcome> {
  const { queue, messages } = keys.of(queueName);
  const all = [...store.keys, keys.heartbeats, queue, messages];
  const changed = toChangeArguments(checkChanges(changes));
  const args = [serverClock.argument, brokerId, id, text, ...changed];
  try {
    return toOutcome(await storing.run(STORE_WITH_CHANGES, all, args));
  } catch (error) {
    return toOutcome(await storing.runUnlessRun(error, STORE_WITH_CHANGES, all, args));
  }
}

/** Looks for the texts of a message that has a claim. */
export async function isStored(
  { connection, keys }: RedisSession,
  { queueName, stays }: ClaimValue,
): Promise<boolean> {
  const { messages, delayed } = keys.of(queueName);
  const found = await Promise.all(
    [messages, delayed].flatMap((key) =>
      stays.map((stay) => connection.command("hexists", key, stay))
    ),
  );
  return found.includes(1);
}
