/**
 * A good hand-written client with ioredis and the same keys, as a
 * contestant of bench/redis.ts: no actors, no middleware, no retries, no recovery, no
 * waiting for messages.
 *
 * With the argument `json` it also makes and reads the messages; without, their texts
 * are made before the clock starts and never looked at. With the argument `two` it has two fetches
 * in flight: the limit of what a client can do.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import process from "node:process";
import { Redis } from "ioredis";
import { argumentMaker, type MessageArguments } from "../contest/arguments.ts";
import type { Crew, CrewSize } from "../contest/contestant.ts";
import type { Assignment, SendMode } from "./assignment.ts";
import type { RedisContestant } from "./contestant.ts";
import { measureContestant } from "./measure_contestant.ts";
import { readStored } from "./stored.ts";

const LIST = "bare:bench";
const HASH = "bare:bench.msgs";
const ACKS = "bare:__acks__.bench";

/** KEYS: list, hash. ARGV: id, text, id, text, … */
const ENQUEUE = `
  local ids = {}
  for i = 1, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
  redis.call("HSET", KEYS[2], unpack(ARGV))
  redis.call("RPUSH", KEYS[1], unpack(ids))
`;
/** KEYS: list, hash, acks. ARGV: how many. Gives ids and texts. */
const FETCH = `
  local ids = redis.call("LPOP", KEYS[1], ARGV[1])
  if not ids then return {{}, {}} end
  redis.call("SADD", KEYS[3], unpack(ids))
  return {ids, redis.call("HMGET", KEYS[2], unpack(ids))}
`;
/** KEYS: hash, acks. ARGV: ids. */
const ACK = `
  redis.call("SREM", KEYS[2], unpack(ARGV))
  redis.call("HDEL", KEYS[1], unpack(ARGV))
`;

type Fetched = [ids: string[], texts: string[]];

/** Way of working: `json` makes and reads the messages, `two` keeps two fetches in flight. */
type Mode = "json" | "two" | undefined;

class BareContestant implements RedisContestant {
  readonly #redis: Redis;
  readonly #sendBatch: number;
  readonly #withJson: boolean;
  readonly #fetches: number;
  readonly #arguments: (index: number) => MessageArguments;
  #scripts = { enqueue: "", fetch: "", ack: "" };
  /** Ids and texts in turn, when they are made beforehand. */
  #prepared: string[] = [];

  constructor({ server, sendBatch, size }: Assignment, mode: Mode) {
    this.#redis = new Redis(server);
    this.#sendBatch = sendBatch;
    this.#withJson = mode === "json";
    this.#fetches = mode === "two" ? 2 : 1;
    this.#arguments = argumentMaker(size);
  }

  async open(): Promise<this> {
    const [enqueue, fetch, ack] = await Promise.all(
      [ENQUEUE, FETCH, ACK].map((script) => this.#redis.script("LOAD", script)),
    ) as [string, string, string];
    this.#scripts = { enqueue, fetch, ack };
    return this;
  }

  prepare(messages: number): void {
    if (this.#withJson) return;
    this.#prepared = Array.from({ length: messages }, (_, i) => this.#write(i)).flat();
  }

  async send(mode: SendMode, messages: number): Promise<void> {
    if (mode === "serial") {
      for (let i = 0; i < messages; i++) await this.#enqueue(i, i + 1);
      return;
    }
    const replies: Promise<unknown>[] = [];
    for (let i = 0; i < messages; i += this.#sendBatch) {
      replies.push(this.#enqueue(i, Math.min(messages, i + this.#sendBatch)));
    }
    await Promise.all(replies);
  }

  stored(): Promise<number[]> {
    return readStored(this.#redis, LIST, HASH);
  }

  async left(): Promise<number> {
    const counts = await Promise.all([this.#redis.hlen(HASH), this.#redis.scard(ACKS)]);
    return Math.max(...counts);
  }

  hire({ prefetch = 16 }: CrewSize, ran: (index: number) => void): Promise<Crew> {
    let work = Promise.resolve();
    return Promise.resolve({
      start: () => {
        work = Promise.all(
          Array.from({ length: this.#fetches }, () => this.#work(prefetch, ran)),
        ).then(() => {});
      },
      settled: () => work,
      close: () => Promise.resolve(),
    });
  }

  close(): Promise<void> {
    this.#redis.disconnect();
    return Promise.resolve();
  }

  #enqueue(from: number, to: number): Promise<unknown> {
    const texts = this.#withJson
      ? Array.from({ length: to - from }, (_, i) => this.#write(from + i)).flat()
      : this.#prepared.slice(2 * from, 2 * to);
    return this.#redis.evalsha(this.#scripts.enqueue, 2, LIST, HASH, ...texts);
  }

  /** Takes batch after batch until there is nothing left. Acks travel with the next fetch. */
  async #work(batch: number, ran: (index: number) => void): Promise<void> {
    let [ids, texts] = await this.#fetch(batch);
    while (ids.length > 0) {
      for (let i = 0; i < ids.length; i++) {
        ran(this.#withJson ? JSON.parse(texts[i]!).args[0] : indexOf(ids[i]!));
      }
      const acked = this.#redis.evalsha(this.#scripts.ack, 2, HASH, ACKS, ...ids);
      [ids, texts] = await this.#fetch(batch);
      await acked;
    }
  }

  #fetch(batch: number): Promise<Fetched> {
    const { fetch } = this.#scripts;
    return this.#redis.evalsha(fetch, 3, LIST, HASH, ACKS, batch) as Promise<Fetched>;
  }

  /** The id of a message, as long as a UUID, and its text, as long as ours. */
  #write(index: number): [id: string, text: string] {
    const id = `00000000-0000-4000-8000-${`${index}`.padStart(12, "0")}`;
    const text = JSON.stringify({
      queue_name: "bench",
      actor_name: "noop",
      args: this.#arguments(index),
      kwargs: {},
      options: { redis_message_id: id },
      message_id: randomUUID(),
      message_timestamp: Date.now(),
    });
    return [id, text];
  }
}

function indexOf(id: string): number {
  return Number(id.slice(24));
}

const mode = (["json", "two"] as const).find((mode) => process.argv.includes(mode));
await measureContestant((assignment) => new BareContestant(assignment, mode).open());
