import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Broker, type Message, RedisBroker, SqliteBroker } from "@dq/dramatiq";
import type { PeriodicMessage } from "@dq/dramatiq/control";
import { tickMessageId } from "../../control/ticks.ts";
import { runtime } from "../../platform/runtime.ts";
import { startOwnRedis } from "../support/servers/redis.ts";
import type { PeriodicWorkerArguments } from "./periodic_worker.ts";
import { Random } from "./random.ts";

/** Options of {@linkcode torturePeriodic}. */
export interface PeriodicTortureOptions {
  readonly broker: "redis" | "sqlite";
  readonly ticks: number;
  /** Milliseconds between two ticks. */
  readonly every: number;
  readonly workers: number;
  /** Milliseconds between two faults, at most. */
  readonly pause: number;
  readonly seed: number;
}

/** The outcome. */
export interface PeriodicTortureReport {
  readonly ticks: number;
  readonly kills: number;
  readonly stops: number;
  /** Ticks without a message, and those with several. */
  readonly missing: readonly number[];
  readonly doubled: readonly number[];
  /** Milliseconds by which messages were late: median, and that of 99 in 100. */
  readonly late: readonly [median: number, p99: number];
}

const PROGRAM = fileURLToPath(new URL("periodic_worker.ts", import.meta.url));
const QUEUE = "ticks";
/** Milliseconds by which clocks are wrong, at most, where a server has one. */
const CLOCK_ERROR = 300_000;
/** Milliseconds for which a worker is stopped, at most. */
const LONGEST_STOP = 2_000;

/** Fires ticks with many workers that are killed and stopped all the time, and counts the messages. */
export async function torturePeriodic(
  options: PeriodicTortureOptions,
): Promise<PeriodicTortureReport> {
  const folder = await mkdtemp(join(tmpdir(), "periodic-"));
  const redis = options.broker === "redis" ? await startOwnRedis() : undefined;
  const place = {
    namespace: "torture",
    path: join(folder, "torture.db"),
    ...(redis && { url: redis.url }),
  };
  const broker = redis === undefined
    ? new SqliteBroker({ path: place.path })
    : new RedisBroker({ url: redis.url, namespace: place.namespace });
  broker.declareQueue(QUEUE);
  const fleet = new TorturedFleet(options, place);
  const endAll = () => fleet.killAll();
  process.on("exit", endAll);
  try {
    await fleet.start();
    while (await sentSoFar(broker) < options.ticks) await fleet.harm();
    await fleet.end();
    return reportOf(await drain(broker), fleet, options.every);
  } finally {
    process.off("exit", endAll);
    fleet.killAll();
    await broker.close();
    await redis?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function sentSoFar(broker: Broker): Promise<number> {
  const { entries } = await broker.controlStore!.read("tick/tick");
  return (entries[0]?.value as { sent?: number } | undefined)?.sent ?? 0;
}

/** Takes all messages off the queue. */
async function drain(broker: RedisBroker | SqliteBroker): Promise<Message[]> {
  const { ready } = await broker.getQueueMessageCounts(QUEUE);
  const consumer = broker.consume(QUEUE, { prefetch: 1_000 });
  const messages: Message[] = [];
  while (messages.length < ready) {
    const received = await consumer.receive(1_000, { signal: AbortSignal.timeout(60_000) });
    await consumer.ack(received);
    messages.push(...received.map(({ message }) => message));
  }
  await consumer.close();
  return messages;
}

function reportOf(
  messages: readonly Message[],
  { kills, stops }: TorturedFleet,
  every: number,
): PeriodicTortureReport {
  const counts = new Map<number, number>();
  const lates: number[] = [];
  for (const { messageId, messageTimestamp, options } of messages) {
    const { tick } = options["periodic"] as PeriodicMessage;
    counts.set(tick, (counts.get(tick) ?? 0) + 1);
    lates.push(messageTimestamp - tick);
    if (messageId !== tickMessageId("tick", tick)) {
      throw new Error(`${messageId} is not of ${tick}`);
    }
  }
  const missing: number[] = [];
  const [first, last] = [Math.min(...counts.keys()), Math.max(...counts.keys())];
  for (let tick = first; tick < last; tick += every) if (!counts.has(tick)) missing.push(tick);
  lates.sort((a, b) => a - b);
  const quantile = (part: number) => lates[Math.floor((lates.length - 1) * part)]!;
  return {
    ticks: counts.size,
    kills,
    stops,
    missing,
    doubled: [...counts].filter(([, count]) => count > 1).map(([tick]) => tick),
    late: [quantile(0.5), quantile(0.99)],
  };
}

/** Workers, and what is done to them. */
class TorturedFleet {
  kills = 0;
  stops = 0;
  readonly #options: PeriodicTortureOptions;
  readonly #place: Pick<PeriodicWorkerArguments, "url" | "namespace" | "path">;
  readonly #random: Random;
  readonly #children: Set<ChildProcess> = new Set();
  readonly #stopped: Set<ChildProcess> = new Set();

  constructor(
    options: PeriodicTortureOptions,
    place: Pick<PeriodicWorkerArguments, "url" | "namespace" | "path">,
  ) {
    this.#options = options;
    this.#place = place;
    this.#random = new Random(options.seed);
  }

  async start(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.workers }, () => this.#spawn()));
  }

  /** Kills a worker, or stops one for a while; each that was killed is replaced. */
  async harm(): Promise<void> {
    await delay(this.#random.between(1, this.#options.pause));
    const targets = [...this.#children].filter((child) => !this.#stopped.has(child));
    // One that works is left, or no tick would be fired.
    if (targets.length < 2) return;
    const child = this.#random.pick(targets);
    if (this.#random.chance(0.5)) {
      this.kills += 1;
      this.#children.delete(child);
      signal(child, "SIGKILL");
      void this.#spawn();
    } else {
      this.stops += 1;
      this.#stopped.add(child);
      signal(child, "SIGSTOP");
      void delay(this.#random.between(100, LONGEST_STOP)).then(() => {
        this.#stopped.delete(child);
        signal(child, "SIGCONT");
      });
    }
  }

  async end(): Promise<void> {
    const children = [...this.#children];
    this.killAll();
    await Promise.all(children.map(async (child) => {
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }));
  }

  killAll(): void {
    for (const child of this.#children) signal(child, "SIGKILL");
    this.#children.clear();
  }

  /** @returns Resolves when it fires. */
  async #spawn(): Promise<void> {
    const { every, broker } = this.#options;
    const told: PeriodicWorkerArguments = {
      ...this.#place,
      queueName: QUEUE,
      every,
      clockError: broker === "redis" ? this.#random.between(-CLOCK_ERROR, CLOCK_ERROR) : 0,
    };
    const args = [
      ...(runtime === "deno" ? ["run", "-A", "--no-check"] : []),
      PROGRAM,
      JSON.stringify(told),
    ];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#children.add(child);
    await Promise.race([once(child.stdout!, "data"), once(child, "exit")]);
  }
}

/** As `child.kill`, which on Deno sends the first signal only. */
function signal({ pid }: ChildProcess, name: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
  try {
    process.kill(pid!, name);
  } catch {
    // It has ended.
  }
}
