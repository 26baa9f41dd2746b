/**
 * A worker of `pause_crash_check.ts`. It appends its runs to a file, pauses the queue at any input,
 * and ends with the standard input.
 *
 * @module
 */
import { appendFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { type Actor, actor, type Broker, Control, Worker } from "@dq/dramatiq";
import { type MatrixAddress, openBroker, queuesOf } from "./cancel_matrix.ts";

/** Arguments of the program. */
export interface PauseWorkerArguments {
  readonly address: MatrixAddress;
  /** File with a line per run: the actor, the process id, and the argument or the paused queues. */
  readonly journal: string;
}

/** Declares `hold` on the queue that is paused, and `pass` on another one. */
export function declareActors(
  broker: Broker,
  address: MatrixAddress,
  hold: (n: number) => Promise<void> = () => Promise.resolve(),
  pass: () => void = () => {},
): { hold: Actor<[number], void>; pass: Actor<[], void> } {
  const options = { broker, maxDeaths: null };
  const { own, later } = queuesOf(address);
  return {
    hold: actor(hold, { ...options, actorName: "hold", queueName: own }),
    pass: actor(pass, { ...options, actorName: "pass", queueName: later }),
  };
}

const told: PauseWorkerArguments = JSON.parse(process.argv[2] ?? "null");
if (told !== null) await work(told);

async function work({ address, journal }: PauseWorkerArguments): Promise<void> {
  const { broker } = openBroker(address);
  const note = (...words: unknown[]) => appendFileSync(journal, `${words.join(" ")}\n`);
  declareActors(broker, address, async (n) => {
    await delay(10);
    note("hold", process.pid, n);
  }, () => note("pass", process.pid, worker.pausedQueues.join()));
  const worker = new Worker(broker, { concurrency: 2 });
  process.stdin.on("data", async () => {
    await new Control(broker).pause({ queue: queuesOf(address).own });
    process.stdout.write("paused\n");
  });
  process.stdin.on("end", () => process.exit(0));
  await worker.start();
  process.stdout.write("ready\n");
}
