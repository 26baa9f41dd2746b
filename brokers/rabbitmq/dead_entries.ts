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

/** All data of a dead letter. */
export function wholeOf({ data }: StoredDeadLetter): Pick<StoredEntry, "data" | "size"> {
  return { data, size: cut(data).size };
}

/** A dead letter as it is listed, with the beginning of its data. */
export function toEntry(queueName: string, key: string, stored: StoredDeadLetter): StoredEntry {
  const { diedAt, data } = stored;
  return {
    ref: { queueName, state: "dead", key },
    ...cut(data),
    ...(diedAt !== undefined && { diedAt }),
    cursor: key,
  };
}
