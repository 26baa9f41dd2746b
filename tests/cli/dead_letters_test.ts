import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type Broker, Message, RabbitmqBroker, RedisBroker } from "@dq/dramatiq";
import { withChannel } from "../brokers/rabbitmq/inspector.ts";
import { receiveCount, receiveOne } from "../conformance/broker_messages.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { startRabbitmq } from "../support/servers/rabbitmq.ts";
import { startRedis } from "../support/servers/redis.ts";
import { until } from "../support/servers/until.ts";
import { after, test } from "../support/test.ts";
import { Fixture, type Program } from "./fixture.ts";
import { runCommand } from "./inspect_fixture.ts";

const redis = await startRedis();
const rabbitmq = await startRabbitmq();
after(async () => {
  await rabbitmq.stop();
  await redis.stop();
});

/** Means of a test: a broker, and the command line on a module that declares the same one. */
interface Means extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly broker: Broker;
  readonly queueName: string;
  /** Runs `dead-letters`. */
  run(...args: string[]): Program;
}

interface Kind {
  readonly url: string;
  readonly make: (id: string) => Broker;
  readonly source: (id: string) => string;
}

const KINDS: Readonly<Record<string, Kind>> = {
  RedisBroker: {
    url: redis.url,
    make: (namespace) => new RedisBroker({ url: redis.url, namespace }),
    source: (namespace) => `new RedisBroker(${JSON.stringify({ url: redis.url, namespace })})`,
  },
  RabbitmqBroker: {
    url: rabbitmq.url,
    make: () => new RabbitmqBroker({ url: rabbitmq.url }),
    source: () => `new RabbitmqBroker(${JSON.stringify({ url: rabbitmq.url })})`,
  },
};

async function open(
  kind: string,
  more = "",
  id = `cli-${crypto.randomUUID()}`,
): Promise<Means> {
  const queueName = `q_${crypto.randomUUID()}`;
  const broker = KINDS[kind]!.make(id);
  broker.declareQueue(queueName);
  const fixture = await Fixture.open({
    "actors.ts": `import { actor, ${kind}, MiddlewareError, setBroker } from "@dq/dramatiq";
const broker = ${KINDS[kind]!.source(id)};
setBroker(broker);
actor(function charge() {}, { queueName: "${queueName}" });
actor(function mail() {}, { queueName: "${queueName}" });
${more}`,
  });
  return {
    fixture,
    broker,
    queueName,
    run: (...args) => fixture.start(["dead-letters", ...args, "actors.ts"]),
    async [Symbol.asyncDispose]() {
      await broker.flush(queueName);
      await broker.close();
      await fixture[Symbol.asyncDispose]();
    },
  };
}

/** Has messages die, one after the other. */
async function bury(
  { broker, queueName }: Means,
  calls: readonly (readonly [actorName: string, ...args: unknown[]])[],
): Promise<Message[]> {
  const sent: Message[] = [];
  await using consumer = broker.consume(queueName);
  for (const [actorName, ...args] of calls) {
    const message = new Message({ queueName, actorName, args, options: { retries: 3 } });
    sent.push(await broker.enqueue(message));
    const received = await receiveOne(consumer);
    received.stuffException(new RangeError(`no ${args}`));
    await consumer.nack([received]);
  }
  return sent;
}

async function argsOfDead({ broker, queueName }: Means): Promise<unknown[]> {
  const args: unknown[] = [];
  for await (const { message } of broker.deadLetters(queueName)) args.push(message.args[0]);
  return args.toSorted();
}

/** Empties the queue, and gives what was on it. */
async function argsOnQueue({ broker, queueName }: Means): Promise<unknown[]> {
  const { ready } = await (broker as RedisBroker).getQueueMessageCounts(queueName);
  await using consumer = broker.consume(queueName, { prefetch: 1_000 });
  const received = await receiveCount(consumer, ready);
  await consumer.ack(received);
  return received.map(({ args }) => args[0]);
}

function jsonLines({ stdout }: Program): Record<string, unknown>[] {
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Checks that reading a queue with `--broker` has not declared it. */
async function assertNoQueue(kind: string, queueName: string): Promise<void> {
  if (kind !== "RabbitmqBroker") return;
  const check = () => withChannel(rabbitmq.url, (channel) => channel.checkQueue(queueName));
  await assertRejects(check, Error, "NOT_FOUND");
}

for (const kind of Object.keys(KINDS)) {
  test(`dead-letters lists, shows, requeues and purges those of a ${kind}`, async () => {
    await using means = await open(kind, "", "dramatiq");
    const sent = await bury(means, [["charge", 1], ["mail", 2], ["charge", 3], ["mail", 4]]);

    const listing = means.run("list"); // one after the other: on RabbitMQ readers share
    assertEquals(await listing.ended, 0, listing.output);
    const [head, ...rows] = listing.stdout.trimEnd().split("\n");
    assertMatch(head!, /^DIED +QUEUE +ACTOR +RETRIES +ID +ERROR$/);
    assertEquals(rows.length, 4);
    for (const { messageId, actorName, args } of sent) {
      const row = rows.find((row) => row.includes(messageId))!;
      assertMatch(
        row,
        new RegExp(`^\\d{4}-\\d\\d-\\d\\d .* ${actorName} +3 .*RangeError: no ${args}`),
      );
    }
    const showing = means.run("show", "--actor", "mail", "--id", sent[1]!.messageId.slice(0, 8));
    assertEquals(await showing.ended, 0, showing.output);
    assertStringIncludes(showing.stdout, `${sent[1]!.messageId} on ${means.queueName}, died 2`);
    assertMatch(showing.stdout, /^ {2}arguments {2}\[2\]$/m);
    assertMatch(showing.stdout, /^ {2}error {6}RangeError: no 2\n {13}.*at /m);
    assert(!showing.stdout.includes(sent[3]!.messageId));

    const misspelled = `${means.queueName}x`;
    const trial = means.fixture.start([
      ...["dead-letters", "requeue", "-Q", means.queueName, "-Q", misspelled, "-A", "charge"],
      ...["--dry-run", "--broker", KINDS[kind]!.url],
    ]);
    assertEquals(await trial.ended, 0, trial.output);
    assertStringIncludes(trial.stdout, "Would requeue 2 dead letters of ");
    assertEquals(await argsOfDead(means), [1, 2, 3, 4]);
    await assertNoQueue(kind, misspelled);

    const requeueing = means.run("requeue", "-Q", means.queueName, "-A", "charge");
    assertEquals(await requeueing.ended, 0, requeueing.output);
    assertStringIncludes(requeueing.stdout, `Requeued 2 of 2 dead letters of ${means.queueName}`);
    assertEquals(await argsOfDead(means), [2, 4]);
    await using consumer = means.broker.consume(means.queueName, { prefetch: 2 });
    const back = [await receiveOne(consumer), await receiveOne(consumer)];
    assertEquals(back.map(({ args }) => args[0]).toSorted(), [1, 3]);
    assertEquals(back.map((one) => one.option("retries")), [undefined, undefined]);

    const purging = means.run("purge", "-Q", means.queueName, "--limit", "1", "--json");
    assertEquals(await purging.ended, 0, purging.output);
    assertEquals(jsonLines(purging).map(({ outcome, actor }) => [outcome, actor]), [
      ["dropped", "mail"],
    ]);
    assertEquals((await argsOfDead(means)).length, 1);
  });
}

test("dead-letters filters by time of death, and prints all fields as JSON", async () => {
  await using means = await open("RedisBroker");
  const { namespace } = means.broker as RedisBroker;
  await bury(means, [["mail", "new"]]);
  const old = new Message({ queueName: means.queueName, actorName: "charge", args: [2.5, null] });
  const diedAt = Date.now() - 3 * 86_400_000;
  const key = `${namespace}:${means.queueName}.XQ`;
  await redis.command("ZADD", key, diedAt, "old");
  await redis.command("HSET", `${key}.msgs`, "old", String(old.encode()));
  await redis.command("ZADD", key, diedAt + 1, "bad");
  await redis.command("HSET", `${key}.msgs`, "bad", "no message \x1b[31m");

  const [since, before, bad] = [
    means.run("list", "--json", "--since", "1h"),
    means.run("list", "--json", "--before", "2d", "--limit", "1"),
    means.run("show", "--before", new Date(diedAt + 86_400_000).toISOString()),
  ];
  assertEquals([await since.ended, await before.ended, await bad.ended], [0, 0, 0], since.output);
  const [recent, ...others] = jsonLines(since);
  assertEquals(others, []);
  assertEquals([recent!["actor"], recent!["args"], recent!["retries"]], ["mail", ["new"], 3]);
  assertEquals(recent!["error"], "RangeError: no new");
  assertStringIncludes(String(recent!["traceback"]), "RangeError: no new\n");
  assertEquals(jsonLines(before).map((line) => [line["messageId"], line["diedAt"], line["args"]]), [
    [old.messageId, new Date(diedAt).toISOString(), [2.5, null]],
  ]);
  assertStringIncludes(bad.stdout, "that is no message, died ");
  assertMatch(bad.stdout, /^ {2}data {7}no message \\x1b\[31m$/m);
  assert(!bad.stdout.includes("\x1b"));
});

test("dead-letters handles thousands, and shows no progress bar on a pipe", async () => {
  await using means = await open("RedisBroker");
  const { namespace } = means.broker as RedisBroker;
  const key = `${namespace}:${means.queueName}.XQ`;
  const ids = Array.from({ length: 3_000 }, (_, i) => `id-${i}`);
  const text = String(new Message({ queueName: "q", actorName: "mail", args: [] }).encode());
  await redis.command("ZADD", key, ...ids.flatMap((id) => [1e12, id]));
  await redis.command("HSET", `${key}.msgs`, ...ids.flatMap((id) => [id, text]));
  const requeueing = means.run("requeue", "--queue", means.queueName);
  assertEquals(await requeueing.ended, 0, requeueing.output);
  assertEquals(
    requeueing.output,
    `Requeued 3000 of 3000 dead letters of ${means.queueName}\n`,
  );
  const counts = await (means.broker as RedisBroker).getQueueMessageCounts(means.queueName);
  assertEquals([counts.ready, counts.dead], [3_000, 0]);
});

test("dead-letters keeps messages that a middleware refuses, names them, and exits with 1", async () => {
  const objection = `broker.addMiddleware({ beforeEnqueue(_broker, message) {
    if (message.args[0] === 2) throw new MiddlewareError("not this one");
  } });`;
  await using means = await open("RedisBroker", objection);
  const sent = await bury(means, [["mail", 1], ["mail", 2], ["mail", 3]]);
  const requeueing = means.run("requeue", "--queue", means.queueName);
  assertEquals(await requeueing.ended, 1, requeueing.output);
  assertStringIncludes(requeueing.output, `Message ${sent[1]!.messageId} stays: not this one\n`);
  assertStringIncludes(requeueing.stdout, "Requeued 2 of 3 dead letters");
  assertEquals(await argsOfDead(means), [2]);
});

const SLOW = `broker.addMiddleware({ async afterEnqueue() {
  note("requeued");
  await new Promise((done) => setTimeout(done, 50));
} });`;

for (const kind of Object.keys(KINDS)) {
  test(`dead-letters requeue loses nothing of a ${kind} when it is killed`, async () => {
    await using means = await open(kind, SLOW);
    const numbers = Array.from({ length: 250 }, (_, i) => i);
    await bury(means, numbers.map((n) => ["mail", n]));
    const requeueing = means.run("requeue", "-Q", means.queueName);
    await means.fixture.noted("requeued");
    requeueing.signal("SIGKILL");
    await requeueing.ended;

    const back = await argsOnQueue(means);
    const dead = new Set<unknown>();
    await until(async () => {
      for (const arg of await argsOfDead(means)) dead.add(arg);
      return new Set([...back, ...dead]).size === numbers.length;
    }, { what: "find every message on the queue, or among the dead letters" });
    assert(back.length >= 1);
    // Redis moves them in one step; with RabbitMQ a crash may leave some in both places.
    if (kind === "RedisBroker") assertEquals(back.length + dead.size, numbers.length);
  });
}

test("dead-letters requeue ends what it has begun at Ctrl-C, and says where it is", async () => {
  await using means = await open("RedisBroker", SLOW);
  await bury(means, Array.from({ length: 250 }, (_, i) => ["mail", i]));
  const requeueing = means.run("requeue", "-Q", means.queueName);
  await means.fixture.noted("requeued");
  requeueing.signal("SIGINT");
  assertEquals(await requeueing.ended, 1, requeueing.output);
  assertStringIncludes(requeueing.output, "Stopped before the end\n");
  const [, done] = /Requeued (\d+) of \1 dead letters/.exec(requeueing.stdout)!;
  const { ready, dead } = await (means.broker as RedisBroker).getQueueMessageCounts(
    means.queueName,
  );
  assertEquals([ready, ready + dead], [Number(done), 250]);
  assert(dead > 0);
});

test("dead-letters exits with 3 and one line during an outage, and loses nothing", async () => {
  await using proxy = await startProxy(redis);
  const [host, url] = [proxy.host, `redis://${proxy.host}:${proxy.port}`];
  assert(host !== "");
  await using fixture = await Fixture.open({
    "away.ts": `import { RedisBroker, setBroker } from "@dq/dramatiq";
const broker = new RedisBroker({ url: "${url}" });
broker.declareQueue("default");
setBroker(broker);`,
  });
  proxy.refuse();
  const program = fixture.start(["dead-letters", "list", "away.ts"]);
  assertEquals(await program.ended, 3, program.output);
  assertMatch(program.output, /^Cannot [^\n]*\n$/);
});

test("dead-letters prints errors of its arguments in one line, and exits with 2", async () => {
  await using means = await open("RedisBroker");
  const cases: [string[], RegExp][] = [
    [
      ["lst", "actors.ts"],
      /^Cannot run dead-letters with action "lst": it must be one of list, show/,
    ],
    [["list"], /^Cannot list dead letters: name the module that .* its address by --broker or DRA/],
    [["list", "--broker", "ftp://h"], /^Cannot create a broker from "ftp:\/\/h": it must be a URL/],
    [["purge", "actors.ts"], /^Cannot purge dead letters: name the queue, with --queue$/],
    [["list", "--since", "yesterday", "actors.ts"], /^Cannot use "yesterday" for --since: /],
    [["list", "--limit", "0", "actors.ts"], /^Cannot use "0" for --limit: /],
    [["list", "--quue", "x", "actors.ts"], /^Cannot read the arguments: unknown option '--quue'/],
    [["list", "-Q", "other", "actors.ts"], /^Cannot read the dead letters of "other": .*but q_/],
    [["list", "nowhere.ts"], /^Cannot import nowhere.ts: there is no such file/],
  ];
  const programs = cases.map(([args]) => means.fixture.start(["dead-letters", ...args]));
  for (const [i, program] of programs.entries()) {
    assertEquals(await program.ended, 2, program.output);
    assertMatch(program.output.trimEnd(), cases[i]![1]);
    assertEquals(program.output.trimEnd().split("\n").length, 1);
  }
});

test("jobs and queues do on RabbitMQ what it can do, and say what it cannot", async () => {
  await using means = await open("RabbitmqBroker");
  const { queueName } = means;
  await bury(means, [["charge", 1], ["mail", 2], ["charge", 3]]);
  const of = ["-Q", queueName, "--broker", rabbitmq.url];
  const listed = await runCommand(["queues", "list", "--json", ...of]);
  const { ready, dead, unacknowledged } = listed.console.objects[0]!;
  assertEquals([ready, dead, unacknowledged], [0, 3, null]);
  const groups = await runCommand(["jobs", "list", "--group", "actor", "--json", ...of]);
  const counts = groups.console.objects.map(({ actor, count }) => [actor, count]);
  assertEquals(counts, [["charge", 2], ["mail", 1]]);
  const retried = await runCommand(["jobs", "retry", "-A", "charge", "--yes", ...of]);
  assertEquals(retried.console.output, `Requeued 2 of 2 messages of ${queueName}\n`);
  assertEquals([await argsOfDead(means), await argsOnQueue(means)], [[2], [1, 3]]);
  const hidden = await assertRejects(() => runCommand(["jobs", "list", "--state", "ready", ...of]));
  assertMatch((hidden as Error).message, /^Cannot list ready messages: /);
  assertEquals((hidden as Error).name, "UsageError");
});
