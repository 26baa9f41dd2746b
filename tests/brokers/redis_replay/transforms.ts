/**
 * Transforms that make of a database as Python left it the one that is left here, for
 * `differences.ts`.
 *
 * @module
 */
import type { Dump, DumpedKey, ScoredMember } from "./dump.ts";

/** Makes one database of another. `$message:…` may stand for the text of a message. */
export type Transform = (keys: Dump) => Dump;

const UNACKNOWLEDGED = /^(.*:)__acks__\.(<broker:\d+>)\.(.*)$/;

/** A list. */
export function list(...value: readonly string[]): DumpedKey {
  return { type: "list", ttl_ms: -1, value };
}

/** A set. */
export function set(...value: readonly string[]): DumpedKey {
  return { type: "set", ttl_ms: -1, value };
}

/** A sorted set, by scores. */
export function zset(scores: Readonly<Record<string, string>>): DumpedKey {
  const value = Object.entries(scores).map(([member, score]): ScoredMember => ({ member, score }));
  return { type: "zset", ttl_ms: -1, value };
}

/** The texts of messages. */
export function messages(...ids: readonly string[]): DumpedKey {
  const value = Object.fromEntries(ids.map((id) => [id, `$message:${id}`]));
  return { type: "hash", ttl_ms: -1, value };
}

/** The same database with some keys as they are given, or, where `undefined`, without them. */
export function replaced(changes: Readonly<Record<string, DumpedKey | undefined>>): Transform {
  return (keys) =>
    Object.fromEntries(
      Object.entries({ ...keys, ...changes }).flatMap(([name, key]) => key ? [[name, key]] : []),
    );
}

/** Other heartbeats of some brokers. */
export function heartbeats(scores: Readonly<Record<string, string>>): Transform {
  return (keys) => {
    const name = "dramatiq:__heartbeats__";
    const value = (keys[name]!.value as readonly ScoredMember[]).map(({ member, score }) => ({
      member,
      score: scores[member] ?? score,
    }));
    return replaced({ [name]: { type: "zset", ttl_ms: -1, value } })(keys);
  };
}

/**
 * Messages that a worker holds of a delay queue in Python, or has given back to it, is sorted by
 * eta.
 */
export const sorted: Transform = (keys) => {
  const names = ["dramatiq:__acks__.<broker:1>.goldq.DQ", "dramatiq:goldq.DQ"];
  const ids = names.flatMap((name) => (keys[name]?.value ?? []) as readonly string[]);
  const texts = keys["dramatiq:goldq.DQ.msgs"]!.value as Readonly<Record<string, string>>;
  const etas = ids.map((id) => [id, /"eta":(<ts[^>]*>)/.exec(texts[id]!)![1]!]);
  const gone = Object.fromEntries(names.map((name) => [name, undefined]));
  return replaced({ ...gone, "dramatiq:goldq.DQ.etas": zset(Object.fromEntries(etas)) })(keys);
};

/** All that a dead broker held is back on its queues, and the broker is forgotten. */
export function takenOver(brokerId: string): Transform {
  return (keys) => {
    const changes: Record<string, DumpedKey | undefined> = {};
    for (const [name, key] of Object.entries(keys)) {
      const [, namespace, holder, queueName] = UNACKNOWLEDGED.exec(name) ?? [];
      if (holder !== brokerId || key.type !== "set") continue;
      changes[name] = undefined;
      changes[`${namespace}${queueName}`] = list(...key.value);
    }
    const name = "dramatiq:__heartbeats__";
    const value = (keys[name]!.value as readonly ScoredMember[]).filter(({ member }) =>
      member !== brokerId
    );
    return replaced({ ...changes, [name]: { type: "zset", ttl_ms: -1, value } })(keys);
  };
}

/** Other texts of dead letters. */
export function deadLetters(change: (text: string) => string): Transform {
  return (keys) => {
    const name = "dramatiq:goldq.XQ.msgs";
    const texts = Object.entries(keys[name]!.value as Readonly<Record<string, string>>);
    const value = Object.fromEntries(texts.map(([id, text]) => [id, change(text)]));
    return replaced({ [name]: { type: "hash", ttl_ms: -1, value } })(keys);
  };
}

/** Dead letters with the traceback of their failure. */
export const withTraceback: Transform = deadLetters((text) =>
  text.replace(/"redis_message_id":"<rid:\d+>"/, '$&,"traceback":"<traceback>"')
);
