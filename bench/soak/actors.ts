/**
 * The actors of `bench/soak.ts`. What runs to its end is noted in Redis, beside the broker.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { Redis } from "ioredis";
import { actor, type Broker, currentMessage, RedisBroker, setBroker } from "../../mod.ts";

/** Set of messages that ended: each is a member of this set. */
export const ENDED = "soak:ended";
/** Number of times something went wrong on purpose, by kind. */
export const INCIDENTS = "soak:incidents";

const url = process.env["SOAK_REDIS"]!;
/** The broker of the soak. */
export const broker: Broker = new RedisBroker({ url });
setBroker(broker);
const redis = new Redis(url);

/** One message in so many goes wrong in this way, at its first attempt: evenly over time. */
const ODDS: readonly (readonly [kind: string, oneIn: number, go: () => unknown])[] = [
  ["throw", 50, () => {
    throw new Error("thrown on purpose");
  }],
  ["allocate", 500, () => void Buffer.alloc(32 * 2 ** 20, 1)],
  ["wait", 20_000, () => new Promise(() => {})],
  ["exit", 20_000, () => process.exit(1)],
  ["throw in a timer", 40_000, () => {
    setTimeout(() => {
      throw new Error("thrown in a timer on purpose");
    });
    return new Promise(() => {});
  }],
  ["compute for ever", 100_000, () => {
    while (true);
  }],
];

/** Hashes a little, and now and then does what it should not. */
export const moody = actor(async function moody(id: number): Promise<void> {
  if (currentMessage()!.option("retries") === undefined) {
    const drawn = ODDS.find(([_kind, oneIn], i) => id % oneIn === oneIn - 7 * i - 1);
    if (drawn !== undefined) {
      await redis.hincrby(INCIDENTS, drawn[0], 1);
      await drawn[2]();
    }
  }
  let hash = id;
  for (let i = 0; i < 20_000; i++) hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  await redis.sadd(ENDED, id, `hash ${hash & 0}`);
}, { timeLimit: 2_000, minBackoff: 100, maxBackoff: 1_000 });
