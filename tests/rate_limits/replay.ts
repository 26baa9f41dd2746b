/**
 * Runs the scenarios of `vectors/rate_limits.json` with the classes of this library.
 *
 * @module
 */
import {
  Barrier,
  BucketRateLimiter,
  type Clock,
  ConcurrentRateLimiter,
  type RateLimiter,
  type RateLimiterBackend,
  type Slot,
  systemClock,
  WindowRateLimiter,
} from "@dq/dramatiq";
import vectors from "../vectors/rate_limits.json" with { type: "json" };

/** One step of a scenario, as captured. */
export interface Step {
  readonly step: string;
  readonly clock_ms: number;
  readonly server_seconds_waited_before?: number;
  readonly returned?: unknown;
  readonly raised?: { readonly type: string };
  readonly keys: CapturedKeys;
}

/** Keys of the server: of Redis a type and `pttl_ms`, of Memcached flags and `ttl_s`. */
export type CapturedKeys = Readonly<Record<string, CapturedKey>>;

/** One key. */
export interface CapturedKey {
  readonly type?: string;
  readonly value: string | readonly string[];
  readonly flags?: number;
  readonly pttl_ms?: number;
  readonly ttl_s?: number;
}

/** A scenario, as captured. */
export interface Scenario {
  readonly scenario: string;
  readonly backend: "redis" | "memcached";
  readonly steps: readonly Step[];
}

/** All of them. */
export const scenarios = vectors.scenarios as unknown as readonly Scenario[];

/**
 * Waits of the capture are this many times shorter here: what they show is what they return, and
 * what they leave behind.
 */
const HASTE = 50;

/** Fixture of the steps of one scenario: what they work with. */
export class Fixture {
  /** Frozen: each step says what it shows. */
  now = 0;
  readonly backend: RateLimiterBackend;
  readonly clock: Clock = { ...systemClock, now: () => this.now };
  readonly #slots: Map<string, Slot> = new Map();

  constructor(backend: RateLimiterBackend) {
    this.backend = backend;
  }

  /** Acquires, and keeps the slot under its number. */
  async acquire(limiter: RateLimiter, step: string): Promise<boolean> {
    if (step.includes("raise_on_failure")) return (await limiter.acquire()).acquired;
    const slot = await limiter.acquire({ raiseOnFailure: false });
    this.#slots.set(/^acquire (\d+)/.exec(step)?.[1] ?? "", slot);
    return slot.acquired;
  }

  /** Releases the slot of a number. */
  async leave(step: string): Promise<null> {
    await this.#slots.get(/^leave (\d+)/.exec(step)?.[1] ?? "")!.release();
    return null;
  }
}

type RunStep = (step: string, fixture: Fixture) => Promise<unknown>;

const concurrent = (key: string, options: { limit?: number; ttl?: number }): RunStep => {
  return (step, fixture) => {
    const limiter = new ConcurrentRateLimiter(fixture.backend, key, options);
    if (step.startsWith("acquire")) return fixture.acquire(limiter, step);
    if (step.startsWith("leave")) return fixture.leave(step);
    return fixture.backend.decr(key, 1, 0, limiter.ttl);
  };
};

const FRACTIONS: Record<string, { bucket?: number }> = {
  "gold-b1": {},
  "gold-b2": { bucket: 1_500 },
  "gold-b3": { bucket: 500 },
};

const bucket = (options: { limit: number; bucket: number } | undefined): RunStep => {
  return (step, fixture) => {
    const key = options === undefined ? /gold-b\d/.exec(step)![0] : "gold-bucket";
    const wanted = { ...options ?? FRACTIONS[key]!, clock: fixture.clock };
    return fixture.acquire(new BucketRateLimiter(fixture.backend, key, wanted), step);
  };
};

const window = (key: string, options: { limit?: number; window?: number }): RunStep => {
  return (step, fixture) => {
    const limiter = new WindowRateLimiter(fixture.backend, key, {
      ...options,
      clock: fixture.clock,
    });
    return fixture.acquire(limiter, step);
  };
};

const barrier = (keys: readonly string[], options: { ttl?: number } = {}): RunStep => {
  let current = -1;
  return async (step, { backend }) => {
    const [, call, number] = /^(create|wait)(?:\((?:\D*)(\d+)?\))?/.exec(step) ?? [];
    if (call === "create" && (current === -1 || step.endsWith("of another"))) current += 1;
    const one = new Barrier(backend, keys[Math.max(current, 0)]!, options);
    if (call === "create") return await one.create(Number(number));
    if (step.includes("block=False")) return await one.wait({ block: false });
    if (call === "wait") return await one.wait({ timeout: Number(number) / HASTE });
    // "two threads in wait(timeout=5000); then the last party waits"
    const waiting = [one.wait(), one.wait()];
    const last = await one.wait();
    return { last, waiters: await Promise.all(waiting) };
  };
};

const OPERATIONS: Record<string, (backend: RateLimiterBackend) => Promise<unknown>> = {
  "add('gold-op', 5, ttl=60000)": (backend) => backend.add("gold-op", 5, 60_000),
  "add again": (backend) => backend.add("gold-op", 7, 60_000),
  "incr by 2, maximum 10": (backend) => backend.incr("gold-op", 2, 10, 30_000),
  "incr by 4, maximum 10": (backend) => backend.incr("gold-op", 4, 10, 30_000),
  "decr by 3, minimum 0": (backend) => backend.decr("gold-op", 3, 0, 20_000),
  "decr by 9, minimum 0": (backend) => backend.decr("gold-op", 9, 0, 20_000),
  "incr of a missing key": (backend) => backend.incr("gold-op2", 1, 10, 30_000),
  "decr of a missing key": (backend) => backend.decr("gold-op3", 1, 0, 30_000),
  "decr of a missing key, minimum -5": (backend) => backend.decr("gold-op3", 1, -5, 30_000),
  "add with ttl 500": (backend) => backend.add("gold-op4", 1, 500),
};

const operation: RunStep = (step, { backend }) =>
  OPERATIONS[step]?.(backend) ??
    backend.incrAndSum("gold-op5", ["gold-op5", "gold-op6"], 1, 2, 60_000);

/** Runners of each scenario, for any backend; `group-callbacks` has a test of its own. */
export const stepRunners: Readonly<Record<string, () => RunStep>> = {
  "concurrent": () => concurrent("gold-conc", { limit: 2, ttl: 60_000 }),
  "concurrent-release-after-expiry": () => concurrent("gold-conc2", { ttl: 1_000 }),
  "concurrent-default-ttl": () => concurrent("gold-conc3", {}),
  "bucket": () => bucket({ limit: 2, bucket: 10_000 }),
  "bucket-defaults-and-fractions": () => bucket(undefined),
  "window": () => window("gold-window", { limit: 3, window: 5 }),
  "window-1": () => window("gold-window1", {}),
  "barrier": () => barrier(["gold-barrier"], { ttl: 60_000 }),
  "barrier-blocking": () => barrier(["gold-barrier2", "gold-barrier3", "gold-barrier7"]),
  "barrier-never-created": () => barrier(["gold-barrier5"], { ttl: 60_000 }),
  "barrier-blocked-waiter-released": () => barrier(["gold-barrier6"], { ttl: 60_000 }),
  "backend-operations": () => operation,
};
