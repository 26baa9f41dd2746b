import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import { actor, type RedisBroker, Worker } from "@dq/dramatiq";
import { runtime } from "../../../platform/runtime.ts";
import { work } from "../../conformance/broker_messages.ts";
import { withEnvironment } from "../../support/environment.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { ServerProcess } from "../../support/servers/server_process.ts";
import { eventually, type Fixture } from "./fixture.ts";
import type { WorkerProcessArguments } from "./worker_process.ts";

const MINUTE = 60_000;
const FOLDER = dirname(fileURLToPath(import.meta.url));
const ROOT = dirname(dirname(dirname(FOLDER)));

/** Lets another broker, whose clock is ahead, find this one dead and take over its messages. */
export async function takeOverFrom(broker: RedisBroker, fixture: Fixture): Promise<void> {
  const clock = new FakeClock(broker.clock.now() + MINUTE);
  const recoverer = fixture.open({ clock, maintenanceInterval: Infinity });
  await recoverer.maintain();
  await recoverer.close();
  assertEquals(await fixture.heartbeat(broker.brokerId), undefined);
}

/** Starts a worker in a process of its own, which can be paused. */
export function startWorkerProcess(
  options: WorkerProcessArguments,
  log: string,
  env: Record<string, string> = {},
): ServerProcess {
  return new ServerProcess({
    program: process.execPath,
    args: [
      ...(runtime === "deno" ? ["run", "-A"] : []),
      join(FOLDER, "worker_process.ts"),
      JSON.stringify(options),
    ],
    folder: ROOT,
    log,
    env,
  });
}

/**
 * Calls a function while a worker runs the first of three messages, with the others in flight.
 *
 * @param fixture The fixture.
 * @param broker The broker of the worker.
 * @param run Receives the list of messages that have run, which grows, and a function that ends the first
 *   run.
 */
export async function withThreeInFlight(
  fixture: Fixture,
  broker: RedisBroker,
  run: (ran: readonly number[], finish: () => void) => Promise<void>,
): Promise<void> {
  const ran: number[] = [];
  const gate = Promise.withResolvers<void>();
  actor(async function work(n: number) {
    ran.push(n);
    if (n === 1) await gate.promise;
  }, { broker, queueName: "q" });
  await broker.enqueueMany([1, 2, 3].map((n) => work("q", n)));
  await withEnvironment(
    { dramatiq_queue_prefetch: "3", dramatiq_restart_delay: "10" },
    async () => {
      await using worker = new Worker(broker, { concurrency: 1, timeout: 1_000 });
      await worker.start();
      await eventually("be at work", async () => {
        return ran.length === 1 && await fixture.held(broker.brokerId, "q") === 3;
      });
      await run(ran, gate.resolve);
      await worker.stop();
    },
  );
}
