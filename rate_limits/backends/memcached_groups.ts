import { hexDigest } from "../../platform/digest.ts";
import type { MemcachedConnection, MemcachedItem } from "../../clients/memcached/connection.ts";
import { CLAIM_TIME, CONCLUDED, type GroupProgress } from "../backend.ts";
import { storing } from "./memcached_storing.ts";

/** Ids of members that are longer, or not plain, are replaced by their hash in a key. */
const PLAIN_ID = /^[\w.-]{1,100}$/;

/** State of a counter. */
interface GroupState {
  readonly left: number;
  /** The member that was counted last; `undefined` where a Python worker was the last to count. */
  readonly last: string | undefined;
}

/**
 * Counts the members of groups in Memcached, each once, even if requests or replies are lost.
 *
 * The counter of a group holds how many members are left and which one was counted last,
 * `3 some-id`. Both change in one step, and only from the version that was read. Before another
 * member takes its place, the last one gets a key of its own, its mark. A member was counted
 * if it has a mark or is named in the counter, which a member whose reply was lost can check:
 *
 * read counter and mark ─▶ mark the last one ─▶ write counter ─▶ mark this one
 *           ▲─────────── changed by another client ────┘
 *
 * All keys are on one server, that of the counter. Python's `decr` counts the number down and
 * drops the id; the member with that id has its mark by then, unless its worker died just before.
 */
export class MemcachedGroups {
  readonly #connection: MemcachedConnection;
  /** By group: members of one process do not get in each other's way. */
  readonly #turns: Map<string, Promise<GroupProgress>> = new Map();

  /**
   * Stores the connection.
   *
   * @param connection The connection.
   */
  constructor(connection: MemcachedConnection) {
    this.#connection = connection;
  }

  /** Counts a member of a group, once. */
  async countMember(group: string, member: string, ttl: number): Promise<GroupProgress> {
    storing(ttl); // throws here what is wrong with this member alone
    const id = PLAIN_ID.test(member) ? member : hexDigest("sha256", member);
    const before = this.#turns.get(group) ?? Promise.resolve();
    // When the server is unavailable, all members that wait behind this one fail with it.
    const turn = before.then(() => this.#count(group, id, ttl));
    this.#turns.set(group, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(group) === turn) this.#turns.delete(group);
    }
  }

  /** Notes that the callbacks of a group have been sent. */
  async concludeGroup(group: string, ttl: number): Promise<void> {
    await this.#connection.set(group, String(CONCLUDED), storing(ttl));
  }

  async #count(group: string, id: string, ttl: number): Promise<GroupProgress> {
    const mark = markOf(group, id);
    const options = { ...storing(ttl), near: group };
    for (;;) {
      // In this order: a member that was counted before the counter was read has a mark by now.
      const items = await this.#connection.getMany([group, mark], group);
      const counter = items.get(group);
      if (counter === undefined) return "missing";
      const { left, last } = parse(counter);
      if (left > CONCLUDED / 2) return "concluded";
      if (left === 0 || last === id || items.has(mark)) return await this.#progress(group, left);
      if (last !== undefined) await this.#connection.set(markOf(group, last), "1", options);
      const next = `${left - 1} ${id}`;
      if (!await this.#connection.replace(group, next, counter.version, options)) continue;
      // If this fails, the next member that is counted does it.
      await this.#connection.set(mark, "1", options).catch(() => {});
      return await this.#progress(group, left - 1);
    }
  }

  async #progress(group: string, left: number): Promise<GroupProgress> {
    if (left > 0) return "waiting";
    const options = { ...storing(CLAIM_TIME), near: group };
    const isOurs = await this.#connection.add(`${group}@claim`, "1", options);
    return isOurs ? "complete" : "claimed";
  }
}

/** Python's `decr` pads a number that has become shorter with blanks. */
function parse({ value }: MemcachedItem): GroupState {
  const [left, last = ""] = value.toString().split(" ");
  return { left: Number(left), last: last === "" ? undefined : last };
}

function markOf(group: string, id: string): string {
  return `${group}@member:${id}`;
}
