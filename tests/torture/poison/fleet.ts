import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { DeadLetter } from "@dq/dramatiq";
import { runtime } from "../../../platform/runtime.ts";
import { environmentOf, openBroker, type PoisonWorkerArguments } from "./actors.ts";

const PROGRAM = fileURLToPath(new URL("worker.ts", import.meta.url));

/** Options of {@linkcode runPoison}. */
export interface PoisonOptions extends PoisonWorkerArguments {
  readonly workers: number;
  readonly innocents: number;
  /** Milliseconds that an innocent message runs at most. */
  readonly longest: number;
  /** Number of messages that kill their worker. */
  readonly killers: number;
  /** Milliseconds by which the killers are delayed. @default {0} */
  readonly delay?: number;
  /** Number of times all workers are killed from outside, as a deploy may do. @default {0} */
  readonly deploys?: number;
  /** Milliseconds between two such times. @default {1_500} */
  readonly deployInterval?: number;
}

/** Its outcome. */
export interface PoisonReport {
  /** Actors of the dead letters. */
  readonly dead: string[];
  /** Tracebacks of the killers' dead letters. */
  readonly tracebacks: (string | undefined)[];
  /** Number of workers that died of a message. */
  readonly deaths: number;
  /** Number of workers that were killed from outside. */
  readonly kills: number;
  readonly seconds: number;
}

/** Worker processes, each of which is replaced when it dies. */
class Fleet {
  deaths = 0;
  kills = 0;
  readonly #options: PoisonOptions;
  readonly #children: Set<ChildProcess> = new Set();
  readonly #killed: WeakSet<ChildProcess> = new WeakSet();
  #isStopping = false;

  constructor(options: PoisonOptions) {
    this.#options = options;
    for (let i = 0; i < options.workers; i++) this.#spawn();
  }

  /** Kills all workers, as a deploy without a grace period. */
  deploy(): void {
    for (const child of this.#children) {
      this.#killed.add(child);
      if (child.kill("SIGKILL")) this.kills += 1;
    }
  }

  /** Stops the workers. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const exits = Array.from(
      this.#children,
      (child) => new Promise((resolve) => child.once("exit", resolve)),
    );
    for (const child of this.#children) child.kill("SIGTERM");
    await Promise.all(exits);
  }

  #spawn(): void {
    const args = runtime === "deno" ? ["run", "-A", "--no-check"] : [];
    const child = spawn(process.execPath, [...args, PROGRAM], {
      env: { ...process.env, ...environmentOf(this.#options) },
      stdio: ["ignore", "inherit", "inherit"],
    });
    this.#children.add(child);
    child.once("exit", (_code, signal) => {
      this.#children.delete(child);
      if (this.#isStopping) return;
      if (signal === "SIGKILL" && !this.#killed.has(child)) this.deaths += 1;
      this.#spawn();
    });
  }
}

/**
 * Sends killers among innocents, and has a fleet work until nothing is left.
 *
 * @param options What is sent, and who works.
 * @returns What came of it.
 */
export async function runPoison(options: PoisonOptions): Promise<PoisonReport> {
  const { innocents, longest, killers, delay = 0, deploys = 0, deployInterval = 1_500 } = options;
  const { broker, innocent, killer } = openBroker(options);
  await using _closing = broker;
  const begun = performance.now();
  const messages = Array.from(
    { length: innocents },
    (_, n) => innocent.message(n, (n * 7919) % (longest + 1)),
  );
  // The first killer is at the head of the queue.
  for (let i = 0; i < killers; i++) {
    await killer.sendWithOptions({ ...(delay > 0 && { delay }) });
    const share = Math.ceil(innocents / killers);
    await broker.enqueueMany(messages.slice(i * share, (i + 1) * share));
  }
  if (killers === 0) await broker.enqueueMany(messages);
  const fleet = new Fleet(options);
  try {
    for (let i = 0; i < deploys; i++) {
      await pause(deployInterval);
      fleet.deploy();
    }
    const dead = await untilDone(broker, killers);
    return {
      dead: dead.map(({ message }) => message.actorName),
      tracebacks: dead.map(({ traceback }) => traceback),
      deaths: fleet.deaths,
      kills: fleet.kills,
      seconds: Math.round((performance.now() - begun) / 1_000),
    };
  } finally {
    await fleet.stop();
  }
}

async function untilDone(
  broker: ReturnType<typeof openBroker>["broker"],
  killers: number,
): Promise<DeadLetter[]> {
  while (true) {
    await broker.join("default", { timeout: 600_000 });
    const dead = await Array.fromAsync(broker.deadLetters("default"));
    if (dead.length >= killers) return dead;
    await pause(100);
  }
}
