/**
 * Inspectors and the dashboard with the permissions of `docs/security.md`, and no others.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { actor, Control, Message, RedisBroker, Worker } from "@dq/dramatiq";
import { GaugeReader } from "../../control/gauge_reader.ts";
import { ROOT } from "../cli/fixture.ts";
import { Site } from "../dashboard/fixture.ts";
import { testLong } from "../servers/own.ts";
import { attachRedis, type RedisServer } from "../support/servers/redis.ts";
import { commandsOf, denials, DENIED, startWithUsers, urlOf } from "./permissions.ts";

const testRedis = testLong("redis-server");

/** Leaves a dead letter, a delayed message, and a pause that is over. */
async function fill(server: RedisServer): Promise<void> {
  await using broker = new RedisBroker({ url: server.url });
  const options = { broker, actorName: "fail", maxRetries: 0 };
  const fail = actor(() => Promise.reject(new RangeError("on purpose")), options);
  const worker = new Worker(broker);
  await worker.start();
  await fail.send();
  await broker.join("default");
  await worker.stop();
  await fail.send();
  await fail.sendWithOptions({ delay: { minutes: 5 } });
  const control = new Control(broker);
  await control.pause({ queue: "default" }, { until: Date.now() + 3_600_000 });
  await server.command("ZADD", "dramatiq:__control__.expiries", 1, "pause/queue/default");
}

testRedis(
  "A dashboard that only shows needs the permissions of an inspector in docs/security.md",
  async () => {
    await using server = await startWithUsers();
    await fill(server);
    const broker = new RedisBroker({ url: urlOf("inspector", server), middleware: [] });
    await using site = new Site({ readOnly: true }, broker);
    const lists = ["waiting", "delayed", "dead", "dead?error=none"];
    const pages = ["dead", "running", "workers", "schedules", "operations", "find?id=none"];
    for (const path of ["", ...pages, ...lists.map((state) => `queues/default/${state}`)]) {
      const response = await site.get(`/${path}`);
      assertEquals(response.status, 200, `/${path}`);
      const text = await response.text();
      assert(!/broker does not answer|not answered since/.test(text), `/${path}: ${text}`);
    }
    for (const state of ["waiting", "delayed", "dead"]) {
      const { messages: [{ key }] } = await site.json(`/queues/default/${state}`);
      const response = await site.get(`/messages/default/${state}/${encodeURIComponent(key)}`);
      assertEquals(response.status, 200, state);
    }
    const gauges = await site.text("/metrics");
    assertMatch(gauges, /^dramatiq_broker_up 1$[^]*^dramatiq_queue_oldest_seconds/m);
    assertMatch(gauges, /^dramatiq_queue_paused/m);
    await using worker = new RedisBroker({ url: urlOf("worker", server), middleware: [] });
    const [, ...ofWorker] = await new GaugeReader(worker).read();
    assertEquals(ofWorker.length > 5, true);
    await site.post("/discover");
    assertEquals((await site.json("/")).queues[0].paused, undefined);
    assertEquals(await denials(server), []);
  },
);

testRedis("An inspector on Redis changes no message", async () => {
  await using server = await startWithUsers();
  await fill(server);
  await using broker = new RedisBroker({ url: urlOf("inspector", server), middleware: [] });
  await using inspector = broker.inspect();
  const queueName = "default";
  const { messages: [dead] } = await inspector.list({ queueName, state: "dead" });
  const [outcome] = await inspector.change([dead!.ref], "requeue");
  assert(outcome!.outcome === "failed");
  assertMatch(outcome!.error.message, DENIED);
  await assertRejects(() => inspector.change([dead!.ref], "drop"), Error);
  await assertRejects(() => inspector.purge(queueName, "ready"), Error);
  const user = attachRedis(urlOf("inspector", server));
  for (
    const command of [
      ["DEL", "dramatiq:default"],
      ["HDEL", "dramatiq:default.msgs", "1"],
      ["GET", "other"],
      ["CONFIG", "GET", "*"],
    ]
  ) {
    const error = await assertRejects(() => user.command(...command), Error);
    assertMatch(error.message, DENIED);
  }
  const { queues: [counts] } = await inspector.overview();
  assertEquals([counts!.ready, counts!.delayed, counts!.dead], [1, 1, 1]);
});

testRedis("An operator on Redis needs the permissions of docs/security.md only", async () => {
  await using server = await startWithUsers();
  await fill(server);
  const rules = commandsOf("redis-cli ACL SETUSER");
  const [, ...own] = rules.find(([user]) => user === "inspector")!;
  const ofWorkers = rules.filter(([user]) => user === "worker").flat()
    .filter((rule) => rule.startsWith("+"));
  await server.command("ACL", "SETUSER", "operator", ...own, ...ofWorkers, "+lrem", "+lset");
  await using broker = new RedisBroker({ url: urlOf("operator", server), middleware: [] });
  await using inspector = broker.inspect();
  const first = async (state: "dead" | "delayed" | "ready") =>
    (await inspector.list({ queueName: "default", state })).messages[0]!.ref;
  const change = async (state: "dead" | "delayed" | "ready", verb: "requeue" | "runNow" | "drop") =>
    (await inspector.change([await first(state)], verb))[0]!.outcome;
  assertEquals(await change("dead", "requeue"), "done");
  assertEquals(await change("delayed", "runNow"), "done");
  assertEquals(await change("ready", "drop"), "done");
  assertEquals(await inspector.purge("default", "ready"), 2);
  await inspector.purge("default", "dead");
  const control = new Control(broker);
  await control.cancel(new Message({ queueName: "default", actorName: "fail", args: [] }));
  await control.pause({ queue: "default" });
  await control.resume({ queue: "default" });
  assertEquals(await denials(server), []);
});

testRedis("docs/security.md allows inspectors whatever their scripts do", async () => {
  const all = commandsOf("redis-cli ACL SETUSER").filter(([user]) =>
    user === "inspector" || user === "worker"
  ).flat();
  const files = ["inspection_scripts.ts", "inspection_change_scripts.ts"];
  const paths = files.map((file) => join(ROOT, "brokers/redis", file));
  const text = (await Promise.all(paths.map((path) => readFile(path, "utf8")))).join();
  const names = [...text.matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(([, name]) => name!);
  assert(names.length > 0);
  const allowed = new Set([...all, "+lrem", "+lset"]);
  assertEquals(names.filter((name) => !allowed.has(`+${name.toLowerCase()}`)), []);
});
