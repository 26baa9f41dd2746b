import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Control, Message, RedisBroker, schedule, Worker } from "@dq/dramatiq";
import { runsLongTests } from "../servers/own.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after, test } from "../support/test.ts";
import { eventually } from "./fixture.ts";
import { bury } from "./inspect_fixture.ts";
import { RedisFixture } from "./redis_fixture.ts";

const redis = await startRedis();
after(() => redis.stop());

/** A broker, and the command line on a module that declares it. */
async function open() {
  const fixture = await RedisFixture.open(
    redis.url,
    `actor(function mail() {});
actor(function report() {}, { queueName: "reports", cron: "0 0 29 2 *" });
`,
    {
      "rabbitmq.ts": `import { actor, RabbitmqBroker, setBroker } from "@dq/dramatiq";
setBroker(new RabbitmqBroker());
actor(function mail() {});
`,
    },
  );
  return {
    broker: fixture.broker,
    control: new Control(fixture.broker),
    namespace: fixture.namespace,
    async run(...args: string[]): Promise<{ code: number; stdout: string; output: string }> {
      const program = fixture.modules.start(args);
      const code = await program.ended as number;
      return { code, stdout: program.stdout, output: program.output };
    },
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}

test("pause and resume change what all workers do, and list what is paused", async () => {
  await using means = await open();
  const { control, run } = means;
  const dry = await run("pause", "--queue", "default", "--dry-run", "actors.ts");
  assertEquals([dry.code, dry.stdout], [0, "Would pause queue default\n"]);
  assertEquals(await control.paused(), []);
  const paused = await run(
    ...["pause", "-Q", "default", "-A", "mail", "--until", "2h", "--reason", "why"],
    "actors.ts",
  );
  assertEquals(paused.code, 0, paused.output);
  assertMatch(paused.stdout, /^Paused queue default until 20\d\d-.*\nPaused actor mail until 20/);
  const known = await control.paused();
  assertEquals(known.map(({ queue, actor, reason }) => [queue, actor, reason]), [
    [undefined, "mail", "why"],
    ["default", undefined, "why"],
  ]);
  const listed = await run("pause", "--json", "actors.ts");
  const iso = (time: number | undefined) => time && new Date(time).toISOString();
  assertEquals(
    listed.stdout.trim().split("\n").map((line) => JSON.parse(line)),
    known.map(({ since, until, ...one }) => {
      const times = { since: iso(since), until: iso(until) };
      return JSON.parse(JSON.stringify({ schema: 1, ...one, ...times }));
    }),
  );
  const python = crypto.randomUUID();
  const heartbeats = `${means.namespace}:__heartbeats__`;
  await redis.command("ZADD", heartbeats, Date.now(), python);
  const again = await run("pause", "-Q", "default", "actors.ts");
  assertEquals([again.code, again.stdout], [0, "Paused queue default\n"]);
  assertMatch(
    again.output,
    new RegExp(`^Warning: Workers in Python .* continue.* ${python}$`, "m"),
  );
  await redis.command("DEL", heartbeats);
  const resumed = await run(
    ...["resume", "-Q", "default", "-Q", "reports", "--actor", "mail"],
    "actors.ts",
  );
  assertEquals(
    resumed.stdout,
    "Resumed queue default\nQueue reports is not paused\nResumed actor mail\n",
  );
  assertEquals(await control.paused(), []);
});

test("--broker controls workers without the modules of the application", async () => {
  await using means = await open();
  await using broker = new RedisBroker({ url: redis.url });
  await broker.enqueue(new Message({ queueName: "default", actorName: "mail", args: [] }));
  const paused = await means.run("pause", "-Q", "anything", "--broker", redis.url);
  assertEquals([paused.code, paused.stdout], [0, "Paused queue anything\n"]);
  assertMatch(paused.output, /^Warning: The broker has no queue anything; it has .*default/m);
  assertEquals(await new Control(broker).resume({ queue: "anything" }), true);
});

test("cancel keeps what waits among the dead letters unless it is told to drop it", async () => {
  await using means = await open();
  const { broker, control, run } = means;
  const dry = await run("cancel", "--actor", "mail", "--dry-run", "actors.ts");
  assertMatch(dry.stdout, /^Would cancel all messages of actor mail made before 20/);
  const [dead] = await bury(broker, "default", [["mail", "no such mailbox"]]);
  const ids = ["--id", "m-1", "--id", dead!.messageId];
  const one = await run("cancel", ...ids, "--reason", "why", "actors.ts");
  const said =
    `Message ${dead!.messageId} is a dead letter, so nothing was stopped; the cancellation ` +
    "applies if it is requeued";
  assertEquals([one.code, one.stdout], [0, `Cancelled message m-1\n${said}\n`]);
  const mail = new Message({ queueName: "default", actorName: "mail", args: [] });
  await broker.enqueue(mail.copy({ messageTimestamp: Date.now() - 7_200_000 }));
  await broker.enqueue(mail.copy({ messageId: "m-2" }));
  const all = await run(
    ...["cancel", "-A", "mail", "-Q", "default", "--before", "1h", "--drop", "--purge", "--yes"],
    ...["--json", "actors.ts"],
  );
  assertEquals((await broker.getQueueMessageCounts("default")).ready, 1);
  const purged = JSON.parse(all.stdout);
  assertEquals([purged.actor, purged.queue, purged.dryRun], ["mail", "default", false]);
  const known = await control.cancellations();
  const own = known.find(({ messageId }) => messageId === "m-1");
  assertEquals([own?.reason, own?.keep], ["why", true]);
  const predicate = known.find(({ actor }) => actor === "mail");
  assertEquals([predicate?.keep, predicate?.before], [false, Date.parse(purged.before)]);
  assert(Date.now() - Date.parse(purged.before) >= 3_600_000);
});

test("workers lists the workers that are alive", async () => {
  await using means = await open();
  means.broker.declareQueue("default");
  await using worker = new Worker(means.broker, { concurrency: 3 });
  await worker.start();
  await means.broker.enqueue(new Message({ queueName: "default", actorName: "none", args: [] }));
  await eventually("be listed", async () => (await means.control.workers()).length === 1);
  const people = await means.run("workers", "actors.ts");
  assertEquals(people.code, 0, people.output);
  assertStringIncludes(people.stdout, `${worker.id}  `);
  assertStringIncludes(people.stdout, "of 3 running");
  const { id, queues } = JSON.parse((await means.run("workers", "--json", "actors.ts")).stdout);
  assertEquals([id, queues], [worker.id, ["default"]]);
});

test("schedules lists, pauses, resumes and triggers periodic actors", async () => {
  await using means = await open();
  const { broker, control, run } = means;
  const listed = await run("schedules", "list", "actors.ts");
  assertEquals(listed.code, 0, listed.output);
  assertEquals(
    listed.stdout,
    "report  report  0 0 29 2 * UTC  no worker fires it  never sent\n",
  );
  broker.declareQueue("reports");
  schedule({
    ...{ broker, actorName: "report", queueName: "reports" },
    cron: { pattern: "@hourly", name: "hourly" },
  });
  await using worker = new Worker(broker, { queues: [] });
  await worker.start();
  const names = async () => (await control.schedules()).filter(({ isAlive }) => isAlive);
  await eventually("be alive", async () => (await names()).length === 1);
  const json = await run("schedules", "list", "--json", "--name", "hourly", "actors.ts");
  const [known] = await control.schedules();
  const { name, cron, timeZone, nextAt } = JSON.parse(json.stdout);
  assertEquals([name, cron, timeZone, nextAt], [
    "hourly",
    "0 * * * *",
    "UTC",
    new Date(known!.nextAt!).toISOString(),
  ]);

  const dry = await run("schedules", "pause", "--all", "--dry-run", "actors.ts");
  assertEquals(dry.stdout, "Would pause schedule hourly\nWould pause schedule report\n");
  await run("schedules", "pause", "-N", "hourly", "--reason", "why", "actors.ts");
  const [paused] = await control.schedules();
  assertEquals([paused?.paused, paused?.reason], [true, "why"]);
  const people = await run("schedules", "list", "-N", "hourly", "actors.ts");
  assertStringIncludes(people.stdout, "paused: why");
  const resumed = await run("schedules", "resume", "--all", "actors.ts");
  assertEquals(resumed.stdout, "Resumed schedule hourly\nSchedule report is not paused\n");
  const sent = await run("schedules", "trigger", "--name", "hourly", "--json", "actors.ts");
  const { messageId, actorName } = JSON.parse(sent.stdout);
  assertEquals([typeof messageId, actorName], ["string", "report"]);
  assertEquals((await broker.getQueueMessageCounts("reports")).ready, 1);
});

test("Commands escape what they read, and print what the server refuses in one line", async () => {
  await using means = await open();
  const { broker, namespace, run } = means;
  const value = { since: 1e300, until: 1e300, reason: "\x1b[2J\u009b\u202e\nforged" };
  await broker.controlStore.change([{ key: "pause/queue/default", value }]);
  const listed = await run("pause", "actors.ts");
  assertEquals(
    [listed.code, listed.output],
    [0, "Queue default is paused: \\x1b[2J\\x9b\\u202e\\nforged\n"],
  );
  await redis.command("DEL", `${namespace}:__queues__`);
  await redis.command("SET", `${namespace}:__queues__`, "not a set");
  const refused = await run("queues", "list", "actors.ts");
  assertEquals(refused.code, 1);
  assertMatch(refused.output, /^Cannot list queues: Redis answers: WRONGTYPE .*\n$/);
});

test("cancel, pause and resume print errors in one line, and exit with 2", async () => {
  await using means = await open();
  const cases: [args: string[], said: string][] = [
    [["cancel", "actors.ts"], "give either --id, or --actor or --queue"],
    [
      ["schedules", "trigger", "-N", "a\nFATAL b", "actors.ts"],
      'Cannot find schedule "a\\nFATAL b"',
    ],
    [["cancel", "--id", "a", "--actor", "mail", "actors.ts"], "give either --id"],
    [["cancel", "--actor", "mail", "actors.ts"], "without --yes"],
    [["cancel", "--actor", "mail", "--purge", "actors.ts"], "give --drop"],
    [
      ["cancel", "--before", "soon", "--actor", "mail", "actors.ts"],
      'Cannot use "soon" for --before',
    ],
    [["pause", "--queue", "nowhere", "actors.ts"], "declare no such queue, but default, reports"],
    [["resume", "actors.ts"], "Cannot resume queue: name the queue"],
    [["pause", "--queue", "default"], "name the module that declares the broker"],
    [["pause", "--broker", "stub:", "actors.ts"], "give either modules or --broker, not both"],
    [["pause", "--broker", "http://a"], "it must be a URL that starts with amqp:"],
    [["pause", "--speed", "actors.ts"], "unknown option '--speed'"],
    [["schedules"], "name one of list, pause, resume, trigger"],
    [["schedules", "stop", "actors.ts"], 'Cannot run schedules with action "stop"'],
    [["schedules", "pause", "actors.ts"], "name them with --name, or give --all"],
    [["schedules", "pause", "--all", "actors.ts"], "without --yes"],
    [["schedules", "trigger", "--name", "nightly", "actors.ts"], "known are report"],
    [["pause", "rabbitmq.ts"], "the RabbitmqBroker has no control store"],
  ];
  // Each is a process, and the texts are the same on all runtimes.
  for (const [args, said] of runsLongTests ? cases : cases.slice(0, 3)) {
    const { code, output } = await means.run(...args);
    assertEquals(code, 2, output);
    assertStringIncludes(output, said);
    assertEquals(output.trimEnd().split("\n").length, 1, output);
  }
  const help = await means.run("cancel", "--help");
  assertStringIncludes(help.stdout, "worker.ts cancel [options] --broker URL | module[:broker]");
  const schedules = await means.run("schedules", "--help");
  assertStringIncludes(schedules.stdout, "worker.ts schedules <action>");
});
