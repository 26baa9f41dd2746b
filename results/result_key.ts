import { hexDigest } from "../platform/digest.ts";
import { canonicalQueueName } from "../core/queue_names.ts";
import type { ResultOwner } from "../core/result_source.ts";

/**
 * The key under which the result of a message is stored, by Python as well.
 *
 * Source: `keys` in `tests/vectors/results.json`.
 *
 * @param namespace What all keys of a backend begin with, before they are hashed.
 * @param message Whose result it is.
 * @param isPlain Whether the key is left as it is: to be read by people, and to lie where
 *   a cluster puts all keys of the namespace. It is hashed otherwise.
 */
export function resultKey(namespace: string, message: ResultOwner, isPlain: boolean): string {
  const { queueName, actorName, messageId } = message;
  const key = `${namespace}:${canonicalQueueName(queueName)}:${actorName}:${messageId}`;
  return isPlain ? key : hexDigest("md5", key);
}
