import type { StoredDeadLetter } from "../../core/dead_letters.ts";
import { cut, type StoredEntry, toInspected } from "../../core/stored_entry.ts";

/** Key of a dead letter: its message id, and its number among those of the same id. */
export function keyOf(
  queueName: string,
  stored: StoredDeadLetter,
  seen: Map<string, number>,
): string {
  const ref = { queueName, state: "dead", key: "" } as const;
  const { messageId = "" } = toInspected({ ref, ...wholeOf(stored), cursor: "" });
  const number = seen.get(messageId) ?? 0;
  seen.set(messageId, number + 1);
  return `${number}:${messageId}`;
}

/** The whole data of a dead letter, with its size. */
export function wholeOf({ data }: StoredDeadLetter): Pick<StoredEntry, "data" | "size"> {
  return { data, size: cut(data).size };
}

/** The entry of a dead letter in a list, with the beginning of its data. */
export function toEntry(queueName: string, key: string, stored: StoredDeadLetter): StoredEntry {
  const { diedAt, data } = stored;
  return {
    ref: { queueName, state: "dead", key },
    ...cut(data),
    ...(diedAt !== undefined && { diedAt }),
    cursor: key,
  };
}
