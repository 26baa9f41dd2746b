import { hexDigest } from "../platform/digest.ts";
import { canonicalQueueName } from "../core/queue_names.ts";
import type { ResultOwner } from "../core/result_source.ts";

/**
 * Builds the key of the result of a message, as Python does.
 *
 * Source: `keys` in `tests/vectors/results.json`.
 *
 * @param namespace Prefix of all keys of a backend, before they are hashed.
 * @param message The message.
 * @param isPlain True for a plain key, which people can read and a cluster places by the namespace; false
 *   for a hash.
 */
export function resultKey(namespace: string, message: ResultOwner, isPlain: boolean): string {
  const { queueName, actorName, messageId } = message;
  const key = `${namespace}:${canonicalQueueName(queueName)}:${actorName}:${messageId}`;
  return isPlain ? key : hexDigest("md5", key);
}
