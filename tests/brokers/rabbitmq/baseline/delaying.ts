import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { actor, type RabbitmqBroker, Worker } from "@dq/dramatiq";
import { work } from "../../../conformance/broker_messages.ts";
import { withEnvironment } from "../../../support/environment.ts";
import { eventually, type FileServer, Fixture, numbers } from "../fixture.ts";

const HOUR = 3_600_000;
const RUNG = /^\.DQ\.q\d+$/;

/** Delayed messages on the ladder of queues that let them fall back. */
export function delaying(file: FileServer): void {
  const { test } = file;

  /** A worker that notes what runs and when. */
  async function startNoting(fixture: Fixture, broker: RabbitmqBroker) {
    const ran: { n: unknown; at: number }[] = [];
    const note = actor((n: unknown) => void ran.push({ n, at: Date.now() }), {
      ...{ broker, queueName: fixture.queueName, actorName: "note" },
    });
    const worker = fixture.use(new Worker(broker));
    await worker.start();
    return { ran, note };
  }

  test("Worker holds no delayed message that is far away, however many there are", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    await withEnvironment({ dramatiq_delay_queue_prefetch: "50" }, async () => {
      const { ran, note } = await startNoting(fixture, broker);
      const delays = numbers(3_000).map((n) => HOUR + n * 10_000);
      await Promise.all(delays.map((delay) => note.sendWithOptions({ args: [delay], delay })));
      await fixture.untilCounts(".DQ", 0, 0);
      const { ready, delayed, dead } = await broker.getQueueMessageCounts(fixture.queueName);
      assertEquals([ready, delayed, dead], [0, 3_000, 0]);
      assertEquals(ran, []);
    });
  });

  test("Worker runs what is due soon although more is far away than it may have in flight", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    await withEnvironment({ dramatiq_delay_queue_prefetch: "2" }, async () => {
      const { ran, note } = await startNoting(fixture, broker);
      const far = () =>
        Promise.all(numbers(20).map(() => note.sendWithOptions({ args: ["far"], delay: HOUR })));
      await far();
      const eta = Date.now() + 300;
      await note.sendWithOptions({ args: ["near"], delay: 300 });
      await far();
      await eventually("run it", () => ran.length === 1);
      assertEquals(ran[0]!.n, "near");
      assertGreaterOrEqual(ran[0]!.at, eta);
      await fixture.untilCounts(".DQ", 0, 0); // what is in flight on its way is counted nowhere
      assertEquals((await broker.getQueueMessageCounts(fixture.queueName)).delayed, 40);
    });
  });

  test("Worker runs nothing early, and everything once, that has been on the ladder", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    // There is no room to hold them all: some stay on the first rung, and some more than once.
    const few = { dramatiq_delay_queue_prefetch: "2" };
    const { ran, note } = await withEnvironment(few, () => startNoting(fixture, broker));
    const delays = [1_600, 2_400, 3_200, 4_000, 4_800, 5_600, 6_400];
    const etas = new Map<unknown, number>();
    for (const delay of delays) {
      const { options } = await note.sendWithOptions({ args: [delay], delay });
      etas.set(delay, options.eta!);
    }
    await eventually("run them", () => ran.length === delays.length);
    for (const { n, at } of ran) assertGreaterOrEqual(at, etas.get(n)!);
    await broker.join(fixture.queueName);
    assertEquals(ran.map(({ n }) => n), delays);
    const suffixes = await fixture.suffixes();
    assert(suffixes.some((suffix) => RUNG.test(suffix)), suffixes.join());
  });

  for (const queueType of ["classic", "quorum"] as const) {
    test(`RabbitmqBroker's ladder has at most eight rungs, which lose nothing, with ${queueType} queues`, async () => {
      await using fixture = new Fixture(file);
      const broker = fixture.open({ queueType });
      const { note } = await startNoting(fixture, broker);
      const delays = numbers(20).map((n) => 1_500 * 2 ** n); // up to nine days
      for (const delay of delays) await note.sendWithOptions({ args: [delay], delay });
      await fixture.untilCounts(".DQ", 0, 0);
      const queues = await file.console.evaluate(
        `[#{name => element(4, proplists:get_value(name, Q)), durable => proplists:get_value(durable, Q),
          arguments => [[K, V] || {K, _, V} <- proplists:get_value(arguments, Q)]} ||
          Q <- rabbit_amqqueue:info_all(<<"/">>, [name, durable, arguments])].`,
      ) as { name: string; durable: boolean; arguments: [string, unknown][] }[];
      const rungs = queues.filter(({ name }) => {
        return name.startsWith(fixture.queueName) &&
          RUNG.test(name.slice(fixture.queueName.length));
      });
      assertEquals(rungs.length > 3 && rungs.length <= 8, true, `${rungs.length} rungs`);
      const suffixes = await fixture.suffixes();
      assertEquals(suffixes.filter((suffix) => !RUNG.test(suffix)), [
        "",
        ".DQ",
        ".DQ.quorum",
        ".XQ",
      ]);
      for (const { name, durable, arguments: list } of rungs) {
        assertEquals(durable, true);
        assertEquals(Object.fromEntries(list), {
          "x-queue-type": "quorum",
          "x-message-ttl": 1_000 * Number(/q(\d+)$/.exec(name)![1]),
          "x-dead-letter-exchange": "",
          "x-dead-letter-routing-key": `${fixture.queueName}.DQ`,
          "x-dead-letter-strategy": "at-least-once",
          "x-overflow": "reject-publish",
          // No x-expires, which would delete a quorum queue however often it is declared again.
          ...(queueType === "classic" && { "x-quorum-initial-group-size": 1 }),
        });
      }
    });
  }

  test("RabbitmqBroker counts, runs and drops what is on the rungs of older versions", async () => {
    await using fixture = new Fixture(file);
    const { queueName, inspector } = fixture;
    const broker = fixture.open();
    await broker.enqueue(work(queueName, "declares"));
    const due = (eta: number) =>
      JSON.stringify({
        ...{ queue_name: `${queueName}.DQ`, actor_name: "note", args: ["old"], kwargs: {} },
        ...{ options: { eta }, message_id: crypto.randomUUID(), message_timestamp: Date.now() },
      });
    await declareOldRungs(fixture);
    await inspector.put(`${queueName}.DQ.64s`, due(Date.now() + HOUR), due(Date.now() + HOUR));
    await inspector.put(`${queueName}.DQ.1s`, due(Date.now()));
    const { ran, note } = await startNoting(fixture, broker);
    await note.sendWithOptions({ args: ["new"], delay: HOUR });
    await eventually(
      "put it on a rung",
      async () => (await fixture.counts(".DQ.q1024")).ready === 1,
    );
    await using inspecting = broker.inspect();
    const overview = async () => (await inspecting.overview({ queueNames: [queueName] })).queues;
    await eventually("run what comes back", () => ran.length === 1);
    assertEquals((await broker.getQueueMessageCounts(queueName)).delayed, 3);
    assertEquals((await overview())[0]!.delayed, 3);
    await broker.flush(queueName);
    assertEquals((await broker.getQueueMessageCounts(queueName)).delayed, 0);
    assertEquals((await overview())[0]!.delayed, 0);
  });

  test("RabbitmqBroker declares a rung again before it puts something on it, so that it does not expire", async () => {
    await using fixture = new Fixture(file);
    const { broker, tap } = await fixture.openTapped();
    const { note } = await startNoting(fixture, broker);
    const sendFar = async () => {
      tap.take();
      await note.sendWithOptions({ args: [1], delay: HOUR });
      await fixture.untilCounts(".DQ", 0, 0);
      await eventually("put it on a rung", () => rungOf(tap.methods) !== undefined);
      return rungOf(tap.methods)!;
    };
    const rung = await sendFar();
    await fixture.inspector.delete(rung); // As if it had expired.
    assertEquals(await sendFar(), rung);
    await eventually("have it", async () => {
      return (await broker.getQueueMessageCounts(fixture.queueName)).delayed === 1;
    });
  });

  test("Worker keeps arguments, priority and retries of what was on the ladder, byte for byte", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open({ maxPriority: 10 });
    const { queueName, inspector } = fixture;
    await broker.enqueue(work(queueName, "declares"));
    const text = (name: string, options: string) =>
      `{"queue_name":"${name}","actor_name":"nobody","args":[1.0,9007199254740993],"kwargs":` +
      `{"a":1e+16},"options":{${options}"tenant":"ż"},"message_id":"a","message_timestamp":5}`;
    const eta = Date.now() + 2_200;
    await inspector.put(`${queueName}.DQ`, text(`${queueName}.DQ`, `"eta":${eta},`));
    await inspector.takeAll(queueName);
    const worker = fixture.use(new Worker(broker, { queues: [queueName] }));
    await worker.start();
    await eventually("dead-letter it, for there is no such actor", async () => {
      return (await fixture.counts(".XQ")).ready === 1;
    });
    assertGreaterOrEqual(Date.now(), eta);
    const [dead] = await inspector.takeAll(`${queueName}.XQ`);
    const passed = dead!.content.toString().replace(
      /"traceback":"(?:[^"\\]|\\.)*"/,
      '"traceback":""',
    );
    assertEquals(
      passed.replace(',"traceback":""', ""),
      text(queueName, "").replace("ż", "\\u017c"),
    );
  });
}

/** Declares rungs as versions before the quorum queues did, and the note that they are there. */
async function declareOldRungs({ queueName, inspector }: Fixture): Promise<void> {
  const expires = { "x-expires": { "!": "int", value: 33_368_000 } };
  for (const seconds of [1, 4, 16, 64, 256, 1_024, 4_096, 16_384]) {
    await inspector.declare(`${queueName}.DQ.${seconds}s`, {
      "x-message-ttl": { "!": "int", value: seconds * 1_000 },
      ...expires,
      "x-dead-letter-exchange": "",
      "x-dead-letter-routing-key": `${queueName}.DQ`,
    });
  }
  await inspector.declare(`${queueName}.DQ.ladder`, {
    "x-message-ttl": { "!": "int", value: 33_308_000 },
    "x-max-length": { "!": "int", value: 1 },
    ...expires,
  });
  await inspector.put(`${queueName}.DQ.ladder`, "there is a ladder");
}

/** The rung that something was last published to. */
function rungOf(
  methods: readonly { method: string; args: Readonly<Record<string, unknown>> }[],
): string | undefined {
  const keys = methods.filter(({ method }) => method === "basic_publish")
    .map(({ args }) => args["routing_key"] as string);
  return keys.findLast((key) => /\.DQ\.q\d+$/.test(key));
}
