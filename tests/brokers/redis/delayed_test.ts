import { assertEquals } from "@std/assert";
import { actor, Worker } from "@dq/dramatiq";
import { receiveCount, work } from "../../conformance/broker_messages.ts";
import { startRedis } from "../../support/servers/redis.ts";
import { after, test } from "../../support/test.ts";
import { advanceUntil, openOne, promoteAll, untilSorted } from "./promoting.ts";
import { sendFromPython } from "./python.ts";
import { beat, eventually } from "./fixture.ts";

const server = await startRedis();
after(() => server.stop());

const MINUTE = 60_000;
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

test("RedisBroker takes delayed messages of Python, each under a new id and otherwise as it was", async () => {
  const { clock, fixture, broker } = openOne(server);
  await using _fixture = fixture;
  const eta = clock.now() + MINUTE;
  await sendFromPython(fixture, "q.DQ", ["a", "b"], eta);
  const before = (await fixture.command("HVALS", fixture.key("q.DQ.msgs")) as string[]).map(parse);
  const consumer = broker.consume("q.DQ", { prefetch: 10 });
  const promoting = promoteAll(broker, consumer);
  await untilSorted(fixture, 2);
  await eventually("promote them", async () => {
    await beat(broker, clock);
    return (await fixture.ids("q")).length === 2;
  });
  assertEquals(clock.now() >= eta, true);
  await consumer.close();
  await promoting;

  const ids = await fixture.ids("q");
  const texts = await fixture.command("HMGET", fixture.key("q.msgs"), ...ids) as string[];
  assertEquals(
    texts.map(parse),
    ["a", "b"].map((value, i) => {
      const { options: _options, ...rest } = before.find(({ args }) => args[0] === value)!;
      return { ...rest, queue_name: "q", options: { redis_message_id: ids[i]! } };
    }),
  );
  assertEquals(before.some(({ options }) => ids.includes(options.redis_message_id)), false);
});

interface StoredMessage {
  readonly args: unknown[];
  readonly options: { readonly redis_message_id: string };
}

function parse(text: string): StoredMessage {
  return JSON.parse(text);
}

test("RedisBroker delays a message with an eta on the queue itself, and runs the others", async () => {
  const { clock, fixture, broker } = openOne(server);
  await using _fixture = fixture;
  const ran: string[] = [];
  actor((text: string) => void ran.push(text), { broker, queueName: "q", actorName: "work" });
  await sendFromPython(fixture, "q", ["late"], clock.now() + MINUTE);
  await sendFromPython(fixture, "q", ["overdue"], clock.now());
  await sendFromPython(fixture, "q", ["now"]);
  await using worker = new Worker(broker);
  await worker.start();
  await eventually("run the others", () => Promise.resolve(ran.length === 2));
  assertEquals(ran, ["overdue", "now"]);
  await eventually("be through", async () => {
    const { unacknowledged } = await broker.getQueueMessageCounts("q");
    return unacknowledged === 0;
  });
  const counts = { ready: 0, delayed: 1, unacknowledged: 0, dead: 0 };
  assertEquals(await broker.getQueueMessageCounts("q"), counts);
  await eventually("run it", async () => {
    await beat(broker, clock);
    return ran.length === 3;
  });
  assertEquals(clock.now() >= 1_600_000_000_000 + MINUTE, true);
  assertEquals(ran.at(-1), "late");
});

test("RedisBroker.getQueueMessageCounts counts delayed messages, sorted or not", async () => {
  const { clock, fixture, broker } = openOne(server);
  await using _fixture = fixture;
  await broker.enqueue(work("q", "now"));
  await broker.enqueueMany(numbers(3).map((n) => work("q", n)), { delay: MINUTE });
  const counts = { ready: 1, delayed: 3, unacknowledged: 0, dead: 0 };
  assertEquals(await broker.getQueueMessageCounts("q"), counts);
  assertEquals(await broker.getQueueMessageCounts("q.DQ"), counts);
  const consumer = broker.consume("q.DQ", { prefetch: 10 });
  const receiving = receiveCount(consumer, 3);
  await untilSorted(fixture, 3);
  assertEquals(await broker.getQueueMessageCounts("q"), counts);
  const due = await advanceUntil(clock, MINUTE, receiving);
  assertEquals(await broker.getQueueMessageCounts("q"), counts);
  await broker.enqueueDue(due[0]!);
  assertEquals(await broker.getQueueMessageCounts("q"), { ...counts, ready: 2, delayed: 2 });
});

test("RedisBroker.flush drops delayed messages, sorted or not, and what was claimed stays dropped", async () => {
  const { clock, fixture, broker } = openOne(server);
  await using _fixture = fixture;
  broker.declareQueue("q");
  await broker.enqueueMany(numbers(3).map((n) => work("q", n)), { delay: MINUTE });
  const consumer = broker.consume("q.DQ", { prefetch: 10 });
  const receiving = receiveCount(consumer, 3);
  await untilSorted(fixture, 3);
  const due = await advanceUntil(clock, MINUTE, receiving);
  await broker.flush("q");
  await broker.enqueueDue(due[0]!);
  await consumer.ack([due[0]!]);
  await consumer.nack([due[1]!]);
  await broker.close();
  assertEquals(await fixture.keys(), []);
});

test("RedisBroker dead-letters a delayed message that is not to be promoted, and acknowledges one", async () => {
  const { clock, fixture, broker } = openOne(server);
  await using _fixture = fixture;
  await broker.enqueueMany(numbers(3).map((n) => work("q", n)), { delay: MINUTE });
  const consumer = broker.consume("q.DQ", { prefetch: 10 });
  const receiving = receiveCount(consumer, 3);
  await untilSorted(fixture, 3);
  const [first, second] = await advanceUntil(clock, MINUTE, receiving);
  await consumer.nack([first!]);
  await consumer.ack([second!]);
  const counts = { ready: 0, delayed: 1, unacknowledged: 0, dead: 1 };
  assertEquals(await broker.getQueueMessageCounts("q"), counts);
  const [text] = await fixture.command("HVALS", fixture.key("q.XQ.msgs")) as string[];
  assertEquals(JSON.parse(text!).args, [0]);
});
