/**
 * One of the processes that hammer limiters, and note who came in.
 *
 * @module
 */
import process from "node:process";
import { Redis } from "ioredis";
import { systemClock } from "../../platform/clock.ts";
import { nextTurn } from "../../platform/runtime.ts";
import {
  BucketRateLimiter,
  ConcurrentRateLimiter,
  MemcachedBackend,
  RedisBackend,
  SqliteBackend,
  WindowRateLimiter,
} from "../../rate_limits/mod.ts";
import type { BackendAddress } from "./rate_limiter_harness.ts";

/** Arguments of the program. */
export interface HammerAssignment extends BackendAddress {
  /** The Redis for the notes. */
  readonly notes: string;
  /** Prefix of all keys. */
  readonly key: string;
  readonly clients: number;
  /** Of each client, at each limiter. */
  readonly attempts: number;
  readonly limit: number;
  /** Milliseconds. */
  readonly bucket: number;
  /** Seconds. */
  readonly window: number;
}

const { kind, address, notes, key, clients, attempts, limit, ...spans }: HammerAssignment = JSON
  .parse(process.argv[2]!);
const backends = Array.from(
  { length: 4 },
  () =>
    kind === "sqlite"
      ? new SqliteBackend({ path: address, share: false })
      : kind === "redis"
      ? new RedisBackend({ url: address })
      : new MemcachedBackend({ servers: address }),
);
const log = new Redis(notes);

const note = (name: string, text: string | number) => log.rpush(`${key}-${name}`, text);

async function holdSlots(client: number, kind: "concurrent" | "leases"): Promise<void> {
  const name = `${process.pid}:${client}`;
  const backend = backends[client % backends.length]!;
  const leases = kind === "leases";
  const limiter = new ConcurrentRateLimiter(backend, `${key}-${kind}`, { limit, leases });
  for (let i = 0; i < attempts; i++) {
    await using slot = await limiter.acquire({ raiseOnFailure: false });
    if (!slot.acquired) continue;
    await note(kind, `+${name}`);
    await nextTurn();
    await note(kind, `-${name}`);
  }
}

async function passLimits(client: number): Promise<void> {
  const backend = backends[client % backends.length]!;
  // The last time that a limiter looked at.
  let now = 0;
  const clock = { ...systemClock, now: () => now = Date.now() };
  const bucket = new BucketRateLimiter(backend, `${key}-bucket`, {
    bucket: spans.bucket,
    limit,
    clock,
  });
  const window = new WindowRateLimiter(backend, `${key}-window`, {
    window: spans.window,
    limit,
    clock,
  });
  const sliding = new WindowRateLimiter(backend, `${key}-sliding`, { limit, sliding: true });
  for (let i = 0; i < attempts; i++) {
    if ((await bucket.acquire({ raiseOnFailure: false })).acquired) {
      await note("bucket", now - now % spans.bucket);
    }
    if ((await window.acquire({ raiseOnFailure: false })).acquired) {
      await note("window", Math.floor(now / 1_000));
    }
    const askedAt = Date.now();
    if ((await sliding.acquire({ raiseOnFailure: false })).acquired) {
      await note("sliding", `${askedAt} ${Date.now()}`);
    }
  }
}

const all = (work: (client: number) => Promise<void>) =>
  Promise.all(Array.from({ length: clients }, (_, client) => work(client)));
await all((client) => holdSlots(client, "concurrent"));
await all((client) => holdSlots(client, "leases"));
await all(passLimits);
for (const backend of backends) await backend.close();
log.disconnect();
