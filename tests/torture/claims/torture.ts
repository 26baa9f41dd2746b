import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Broker, Control } from "@dq/dramatiq";
import { runtime } from "../../../platform/runtime.ts";
import { startOwnRedis } from "../../support/servers/redis.ts";
import { Random } from "../random.ts";
import { ClaimJournal, type ClaimVerdict, judgeClaims } from "./journal.ts";
import { type ClaimWorkerArguments, openClaims } from "./broker.ts";

/** Options of {@linkcode tortureClaims}. */
export interface ClaimTortureOptions {
  readonly broker: "redis" | "sqlite";
  /** Number of messages to send, those that are duplicates included. */
  readonly messages: number;
  readonly kills: number;
  readonly workers: number;
  /** Number of keys. */
  readonly keys: number;
  readonly seed: number;
}

/** The outcome. */
export interface ClaimTortureReport extends ClaimVerdict {
  readonly kills: number;
  /** Keys of which nothing lives, and of which no message can be sent. */
  readonly stuck: readonly number[];
  /** Claims that were left by kills between an acknowledgement and its end. */
  readonly stale: number;
  readonly seconds: number;
}

const PROGRAM = fileURLToPath(new URL("worker.ts", import.meta.url));
/** Number of messages that are sent at once. */
const BATCH = 32;
/** Milliseconds that the rest may take. */
const LONGEST_REST = 300_000;

/** Sends unique messages to workers that are killed all the time, and judges what came of them. */
export async function tortureClaims(options: ClaimTortureOptions): Promise<ClaimTortureReport> {
  const folder = await mkdtemp(join(tmpdir(), "claims-"));
  const redis = options.broker === "redis" ? await startOwnRedis() : undefined;
  const told: ClaimWorkerArguments = {
    namespace: "torture",
    path: join(folder, "torture.db"),
    journal: join(folder, "journal"),
    ...(redis && { url: redis.url }),
  };
  const fleet = new Fleet(told, options.workers);
  const { broker, held } = openClaims(told);
  const endAll = () => fleet.killAll();
  process.on("exit", endAll);
  try {
    const start = performance.now();
    await fleet.start();
    await sendAll(options, new ClaimJournal(told.journal), held, fleet);
    await drain(broker);
    await fleet.end();
    const seconds = (performance.now() - start) / 1_000;
    const stale = (await new Control(broker).claims()).length;
    const stuck: number[] = [];
    for (let key = 0; key < options.keys; key++) {
      if ((await held.send(key, 0)).isDuplicate) stuck.push(key);
    }
    const verdict = judgeClaims(await readFile(told.journal, "utf8"));
    return { ...verdict, kills: fleet.kills, stuck, stale, seconds };
  } finally {
    process.off("exit", endAll);
    fleet.killAll();
    await broker.close();
    await redis?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function sendAll(
  { messages, kills, keys, seed }: ClaimTortureOptions,
  journal: ClaimJournal,
  held: ReturnType<typeof openClaims>["held"],
  fleet: Fleet,
): Promise<void> {
  const random = new Random(seed);
  for (let sent = 0; sent < messages; sent += BATCH) {
    const sending = Array.from({ length: Math.min(BATCH, messages - sent) }, async () => {
      const key = random.between(0, keys - 1);
      const args: [number, number] = [key, random.between(0, 9)];
      const delay = random.chance(0.1) ? { delay: random.between(1, 50) } : {};
      const { isDuplicate, messageId: id } = await held.sendWithOptions({ args, ...delay });
      journal.write({ what: isDuplicate ? "duplicate" : "stored", id, key });
    });
    await Promise.all(sending);
    if (fleet.kills < Math.floor(kills * (sent + BATCH) / messages)) await fleet.kill(random);
  }
}

/** Waits until nothing is on the queue, delayed, or in the hands of a worker. */
async function drain(broker: Broker): Promise<void> {
  await broker.join("default", { timeout: LONGEST_REST });
}

/** Workers; one that is killed is replaced. */
class Fleet {
  kills = 0;
  readonly #told: ClaimWorkerArguments;
  readonly #size: number;
  readonly #children: Set<ChildProcess> = new Set();

  constructor(told: ClaimWorkerArguments, size: number) {
    this.#told = told;
    this.#size = size;
  }

  async start(): Promise<void> {
    await Promise.all(Array.from({ length: this.#size }, () => this.#spawn()));
  }

  /** Kills one that works, and waits until another one works in its place. */
  async kill(random: Random): Promise<void> {
    const child = random.pick([...this.#children]);
    this.kills += 1;
    this.#children.delete(child);
    child.kill("SIGKILL");
    await this.#spawn();
  }

  /** Stops all in good order. */
  async end(): Promise<void> {
    const children = [...this.#children];
    await Promise.all(children.map(async (child) => {
      child.stdin!.end();
      await once(child, "exit");
      this.#children.delete(child);
    }));
  }

  killAll(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    this.#children.clear();
  }

  async #spawn(): Promise<void> {
    const args = [
      ...(runtime === "deno" ? ["run", "-A", "--no-check"] : []),
      PROGRAM,
      JSON.stringify(this.#told),
    ];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#children.add(child);
    await once(child.stdout!, "data");
  }
}
