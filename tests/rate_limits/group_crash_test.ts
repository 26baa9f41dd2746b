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
  RedisBroker,
  RedisRateLimiterBackend,
  Worker,
} from "@dq/dramatiq";
import { runtime } from "../../core/runtime.ts";
import { startOwnRedis } from "../support/servers/redis.ts";
import { after, test } from "../support/test.ts";
import type { GroupWorkerArguments } from "./group_worker_process.ts";

const PROGRAM = fileURLToPath(new URL("group_worker_process.ts", import.meta.url));
const MEMBERS = [1, 2, 3];

const server = await startOwnRedis();
after(() => server.stop());

/** What the worker that finds all that ran, by name and argument. */
async function runAfterDeath(diesAt: GroupWorkerArguments["diesAt"]): Promise<string[]> {
  const namespace = `test-${crypto.randomUUID()}`;
  const { url } = server;
  await using backend = new RedisRateLimiterBackend({ url });
  const middleware = [...defaultMiddleware(), new GroupCallbacks(backend)];
  await using broker = new RedisBroker({ url, namespace, heartbeatTimeout: 1_000, middleware });
  const ran: string[] = [];
  const member = actor((n: number) => void ran.push(`member ${n}`), {
    broker,
    actorName: "member",
  });
  const done = actor(() => void ran.push("done"), { broker, actorName: "done" });
  const made = group(MEMBERS.map((n) => member.message(n)), { broker });
  made.addCompletionCallback(done.message());
  await made.run();

  const told: GroupWorkerArguments = { url, namespace, diesAt };
  const args = [...(runtime === "deno" ? ["run", "-A"] : []), PROGRAM, JSON.stringify(told)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  const [code, signal] = await once(child, "exit");
  assertEquals([code, signal], [null, "SIGKILL"]);
  // It is as if the time had passed for which nobody else would have sent the callbacks.
  const keys = await server.command("KEYS", "{*}@members") as string[];
  for (const key of keys) await server.command("HDEL", key, "claim");

  await using worker = new Worker(broker, { concurrency: 1 });
  await worker.start();
  await broker.join("default");
  return ran;
}

test("GroupCallbacks count a member once whose worker was killed before it acknowledged", async () => {
  const ran = await runAfterDeath("waiting");
  assertEquals(ran.filter((one) => one !== "done").toSorted(), MEMBERS.map((n) => `member ${n}`));
  assertEquals(ran.indexOf("done"), MEMBERS.length); // when all have run, and once
  assertEquals(ran.length, MEMBERS.length + 1);
});

test("GroupCallbacks are sent though the worker was killed when it had counted the last member", async () => {
  assertEquals(await runAfterDeath("complete"), ["member 3", "done"]);
});

test("GroupCallbacks are sent twice if the worker was killed before it had noted that they were sent", async () => {
  const ran = await runAfterDeath("sent");
  assertEquals(ran.toSorted(), ["done", "done", "member 3"]);
});
