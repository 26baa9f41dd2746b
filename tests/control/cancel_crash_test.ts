import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import { actor, RedisBroker, Worker } from "@dq/dramatiq";
import { runtime } from "../../platform/runtime.ts";
import { startForFile } from "../brokers/redis/fixture.ts";
import { type CancelWorkerArguments, MOMENTS } from "./cancel_worker_process.ts";

const PROGRAM = fileURLToPath(new URL("cancel_worker_process.ts", import.meta.url));
const HEARTBEAT_TIMEOUT = 1_000;
const { test, server } = await startForFile();

/** Remainder of a cancelled message whose worker was killed, once another one has taken over. */
async function runAfterDeath(diesAt: CancelWorkerArguments["diesAt"]): Promise<unknown> {
  const namespace = `test-${crypto.randomUUID()}`;
  const { url } = server;
  const heartbeatTimeout = HEARTBEAT_TIMEOUT;
  await using broker = new RedisBroker({ url, namespace, heartbeatTimeout });
  let runs = 0;
  const target = actor(() => void (runs += 1), { broker, actorName: "target" });
  await target.send();
  const told: CancelWorkerArguments = { url, namespace, heartbeatTimeout, diesAt };
  const args = [...(runtime === "deno" ? ["run", "-A"] : []), PROGRAM, JSON.stringify(told)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  const [code, signal] = await once(child, "exit");
  assertEquals([code, signal], [null, "SIGKILL"]);

  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("default");
  await worker.join();
  const { dead } = await broker.getQueueMessageCounts("default");
  return { runs, dead, cancelled: worker.outcomes.cancelled };
}

test("A cancelled message does not run again, whenever its worker is killed", async () => {
  const outcomes = await Promise.all(MOMENTS.map(runAfterDeath));
  assertEquals(
    Object.fromEntries(MOMENTS.map((moment, i) => [moment, outcomes[i]])),
    Object.fromEntries(MOMENTS.map((moment) => [
      moment,
      { runs: 0, dead: 0, cancelled: moment === "acked" ? 0 : 1 },
    ])),
  );
});
