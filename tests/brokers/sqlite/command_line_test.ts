import process from "node:process";
import { join } from "node:path";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { actor, Prometheus, SqliteBroker } from "@dq/dramatiq";
import { eventually, Fixture } from "../../cli/fixture.ts";
import { test } from "../../support/test.ts";

/** Actors that send, fail, and take long; the broker comes from `DRAMATIQ_BROKER_URL`. */
const ACTORS = `import { actor } from "@dq/dramatiq";
const child = actor(function child(text) { note("child " + text); });
actor(async function parent(text) { await child.send(text); note("parent " + text); });
actor(function failing() { throw new RangeError("as told"); }, { maxRetries: 0 });
actor(async function hold() { note("hold " + process.pid); await new Promise(() => {}); });
actor(async function holdOnce() {
  const { readFileSync } = await import("node:fs");
  const isFirst = !readFileSync("notes", "utf8").includes("held");
  note("held by " + process.pid);
  if (isFirst) await new Promise(() => {});
  note("let go");
});
`;

async function open(): Promise<
  { fixture: Fixture; broker: SqliteBroker; env: Record<string, string> }
> {
  const fixture = await Fixture.open({
    "actors.ts": `import process from "node:process";\n${ACTORS}`,
  });
  const broker = new SqliteBroker({ path: join(fixture.folder, "tasks.db") });
  broker.declareQueue("default");
  for (const actorName of ["parent", "failing", "holdOnce"]) {
    actor((_text?: string) => {}, { broker, actorName });
  }
  return { fixture, broker, env: { DRAMATIQ_BROKER_URL: "sqlite:tasks.db" } };
}

const send = (broker: SqliteBroker, name: string, ...args: unknown[]) =>
  broker.getActor(name).sendWithOptions({ args });

test("The command line works on one file with several processes, threads in them, and actors that send", async () => {
  const { fixture, broker, env } = await open();
  await using _fixture = fixture;
  await using _broker = broker;
  const args = ["--processes", "2", "--threads", "1", "actors.ts"];
  const program = fixture.start(args, { env });
  await program.working(2);
  await Promise.all(["a", "b", "c", "d"].map((text) => send(broker, "parent", text)));
  for (const text of ["a", "b", "c", "d"]) await fixture.noted(`child ${text}`);
  await broker.join("default");
  assertEquals(await program.stop(), 0);
  const counts = await broker.getQueueMessageCounts("default");
  assertEquals(counts, { ready: 0, delayed: 0, unacknowledged: 0, dead: 0 });
});

test("A message of a worker process that is killed runs in another one, at once", async () => {
  const { fixture, broker, env } = await open();
  await using _fixture = fixture;
  await using _broker = broker;
  await send(broker, "parent", "first"); // there are notes to read
  const program = fixture.start(["--processes", "2", "--threads", "0", "actors.ts"], { env });
  await fixture.noted("child first");
  await send(broker, "holdOnce");
  const holder = async () =>
    (await fixture.notes()).find((line) => line.startsWith("held by "))?.slice("held by ".length);
  await eventually("see it held", async () => await holder() !== undefined);
  process.kill(Number(await holder()), "SIGKILL");
  await fixture.noted("let go"); // the heartbeat timeout is a minute
  await broker.join("default");
  assertEquals(await program.stop(), 0);
});

test("dead-letters lists and requeues those of a file", async () => {
  const { fixture, broker, env } = await open();
  await using _fixture = fixture;
  await using _broker = broker;
  const program = fixture.start(["--processes", "1", "--threads", "0", "actors.ts"], { env });
  await send(broker, "failing");
  await broker.join("default");
  assertEquals(await program.stop(), 0);

  const listing = fixture.start(["dead-letters", "list", "actors.ts"], { env });
  assertEquals(await listing.ended, 0, listing.output);
  assertMatch(listing.stdout, /failing .*RangeError: as told/);
  const requeueing = fixture.start(["dead-letters", "requeue", "--queue", "default", "actors.ts"], {
    env,
  });
  assertEquals(await requeueing.ended, 0, requeueing.output);
  const { ready, dead } = await broker.getQueueMessageCounts("default");
  assertEquals([ready, dead], [1, 0]);
});

test("Prometheus counts the queues of an SqliteBroker", async () => {
  const prometheus = new Prometheus({ queueGauges: true });
  await using broker = new SqliteBroker({ path: ":memory:", middleware: [prometheus] });
  const sent = actor(() => {}, { broker, actorName: "sent" });
  await sent.send();
  await sent.sendWithOptions({ delay: 60_000 });
  const text = await (await prometheus.metricsHandler(new Request("http://127.0.0.1/metrics")))
    .text();
  for (
    const [state, count] of Object.entries({ ready: 1, delayed: 1, unacknowledged: 0, dead: 0 })
  ) {
    assert(text.includes(`{queue_name="default",state="${state}"} ${count}`), text);
  }
});
