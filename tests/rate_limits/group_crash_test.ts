import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import {
  actor,
  defaultMiddleware,
  group,
  GroupCallbacks,
  type Middleware,
  RedisBroker,
  RedisRateLimiterBackend,
  Worker,
} from "@dq/dramatiq";
import { runtime } from "../../platform/runtime.ts";
import { startForFile } from "../brokers/redis/fixture.ts";
import type { GroupWorkerArguments } from "./group_worker_process.ts";

const PROGRAM = fileURLToPath(new URL("group_worker_process.ts", import.meta.url));
const { test, server } = await startForFile();

/**
 * Events of the worker that recovered the messages of a dead one: the members that ran to their end, the
 * sending of the callback, and its run. If the dead worker has counted the first member, the second one
 * ends after the first one was acknowledged again.
 */
async function runAfterDeath(diesAt: GroupWorkerArguments["diesAt"]): Promise<string[]> {
  const namespace = `test-${crypto.randomUUID()}`;
  const { url } = server;
  await using backend = new RedisRateLimiterBackend({ url });
  const ran: string[] = [];
  const firstAcked = Promise.withResolvers<void>();
  const journal: Middleware = {
    afterAck: (_broker, { actorName, args }) => {
      if (actorName === "member" && args[0] === 1) firstAcked.resolve();
    },
    afterEnqueue: (_broker, { actorName }) => void (actorName === "done" && ran.push("sent")),
  };
  const middleware = [journal, ...defaultMiddleware(), new GroupCallbacks(backend)];
  // Longer than this process may be kept from its heartbeat on a busy machine.
  const heartbeatTimeout = 3_000;
  await using broker = new RedisBroker({ url, namespace, heartbeatTimeout, middleware });
  const member = actor(async (n: number) => {
    if (n === 2 && diesAt === "waiting") await firstAcked.promise;
    ran.push(`member ${n}`);
  }, { broker, actorName: "member" });
  const done = actor(() => void ran.push("done"), { broker, actorName: "done" });
  const made = group([1, 2, 3].map((n) => member.message(n)), { broker });
  made.addCompletionCallback(done.message());
  await made.run();

  const settings: GroupWorkerArguments = { url, namespace, diesAt };
  const args = [...(runtime === "deno" ? ["run", "-A"] : []), PROGRAM, JSON.stringify(settings)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  const [code, signal] = await once(child, "exit");
  assertEquals([code, signal], [null, "SIGKILL"]);
  // As if the claim of the dead worker had expired.
  const keys = await server.command("KEYS", "{*}@members") as string[];
  for (const key of keys) await server.command("HDEL", key, "claim");

  await using worker = new Worker(broker, { concurrency: 3 });
  await worker.start();
  await broker.join("default");
  return ran;
}

/** Without the other members, which may run again: their acknowledgements may have been lost. */
const isOfLast = (event: string) => event !== "member 1" && event !== "member 2";

test("GroupCallbacks count a member once if its worker was killed before it acknowledged", async () => {
  const ran = await runAfterDeath("waiting");
  assertEquals(ran.slice(0, 2).toSorted(), ["member 1", "member 3"]);
  assertEquals(ran.slice(2), ["member 2", "sent", "done"]);
});

test("GroupCallbacks are sent though the worker was killed when it had counted the last member", async () => {
  const ran = await runAfterDeath("complete");
  assertEquals(ran.filter(isOfLast), ["member 3", "sent", "done"]);
});

test("GroupCallbacks are sent twice if the worker was killed before it had noted that they were sent", async () => {
  const ran = await runAfterDeath("sent"); // one of the two by the worker that was killed
  assertEquals(ran.filter(isOfLast).toSorted(), ["done", "done", "member 3", "sent"]);
});
