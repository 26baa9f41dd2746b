import { assertEquals, assertLess } from "@std/assert";
import { type Encoded, type Encoder, getEncoder, JSONEncoder, setEncoder } from "@dq/dramatiq";
import { CLAIM } from "../../../brokers/redis/delayed_scripts.ts";
import { HEARTBEAT } from "../../../brokers/redis/recovery_scripts.ts";
import { firstArgs, receiveCount, textOf, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { Monitor, runsOf } from "./monitor.ts";
import { untilSorted } from "./promoting.ts";
import { put, type PythonMessage, pythonMessage, sendFromPython } from "./python.ts";
import { eventually, Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile();

/** A message of a delay queue whose eta is spelled as given. */
function spelled(value: unknown, eta: string): PythonMessage {
  const { id, text } = pythonMessage("q.DQ", value, 12_345);
  return { id, text: text.replace(/"eta":12345/, `"eta":${eta}`) };
}

/** Of these, nobody can say that their time has not come. */
const DUE = [
  "NaN",
  "-Infinity",
  "null",
  "true",
  '"1600000000000"',
  "[]",
  "{}",
  "-1",
  "0.5",
  "-1e300",
];
/** Of these, it never comes, or not in the next thousand years. */
const FAR = ["Infinity", "1e300", "1e400", "123456789012345678901234567890", "1e17"];

test("RedisBroker loses nothing beside a delayed message whose eta is odd, nor that", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  const etas = [...DUE, ...FAR];
  for (const eta of etas) {
    await sendFromPython(fixture, "q.DQ", [`before ${eta}`], clock.now());
    await put(fixture, "q.DQ", spelled(eta, eta));
  }
  await sendFromPython(fixture, "q.DQ", ["last"], clock.now());
  const due = [...etas.map((eta) => `before ${eta}`), ...DUE, "last"];
  await using consumer = broker.consume("q.DQ", { prefetch: 100 });
  const received = firstArgs(await receiveCount(consumer, due.length));
  assertEquals(received.toSorted(), due.toSorted());
  const { delayed } = await broker.getQueueMessageCounts("q");
  assertEquals(delayed, etas.length * 2 + 1);
});

test("RedisBroker loses nothing beside a message with an odd eta on the queue itself, nor that", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  for (const eta of [...DUE, ...FAR]) {
    await put(fixture, "q", spelled(eta, eta));
    await sendFromPython(fixture, "q", [`after ${eta}`]);
  }
  await using consumer = broker.consume("q", { prefetch: 100 });
  const due = [...[...DUE, ...FAR].map((eta) => `after ${eta}`), ...DUE];
  const received = await receiveCount(consumer, due.length);
  await consumer.ack(received);
  const { delayed, ready, unacknowledged } = await broker.getQueueMessageCounts("q");
  assertEquals(ready, 0);
  // A number that no double holds may count as no number.
  assertEquals(delayed + unacknowledged, FAR.length);
});

for (const eta of FAR) {
  test(`RedisBroker waits for an eta of ${eta} without looking again and again`, async () => {
    await using fixture = new Fixture(server);
    const broker = fixture.open({ maintenanceInterval: 20 });
    await put(fixture, "q.DQ", spelled(1, eta));
    const consumer = broker.consume("q.DQ");
    const receiving = consumer.receive(1);
    await eventually("sort it", async () => (await fixture.ids("q.DQ")).length === 0);
    await using monitor = await Monitor.open(server);
    let [heartbeats, claims] = [0, 0];
    await eventually("heartbeat a few times", async () => {
      const commands = await monitor.take();
      heartbeats += runsOf(HEARTBEAT, commands).length;
      claims += runsOf(CLAIM, commands).length;
      return heartbeats >= 3;
    });
    assertLess(claims, 5);
    await broker.close();
    assertEquals(await receiving, []);
  });
}

/** Encoders whose text is JSON, but not the message: with a signature, or with other names. */
const json = new JSONEncoder();
const ENVELOPES: Readonly<Record<string, (message: string) => unknown>> = {
  "an envelope": (message) => ({ signature: "…", message }),
  "an envelope with options": (message) => ({ options: { version: 2 }, message }),
  "an array": (message) => [2, message],
  "text": (message) => message,
};
for (const [name, wrap] of Object.entries(ENVELOPES)) {
  test(`RedisBroker waits until a message is due that its encoder puts in ${name}`, async () => {
    await using fixture = new Fixture(server);
    const clock = new FakeClock();
    const broker = fixture.open({ clock });
    const before = getEncoder();
    setEncoder(envelopeEncoder(wrap));
    try {
      await broker.enqueue(work("q", "late"), { delay: 60_000 });
      await broker.enqueue(work("q", "now"), { delay: 0 });
      await using consumer = broker.consume("q.DQ", { prefetch: 10 });
      assertEquals(firstArgs(await receiveCount(consumer, 1)), ["now"]);
      await untilSorted(fixture, 2);
      const scores = await fixture.command("ZRANGE", fixture.key("q.DQ.etas"), 0, -1, "WITHSCORES");
      assertEquals(Math.floor(Number((scores as string[])[3])), clock.now() + 60_000);
    } finally {
      setEncoder(before);
    }
  });
}

function envelopeEncoder(wrap: (message: string) => unknown): Encoder {
  const unwrap = (value: unknown): unknown => {
    const found = Object.values(value as object).find((one) => /queue_name/.test(`${one}`));
    return typeof value === "string" ? value : found;
  };
  return {
    encode: (value) => JSON.stringify(wrap(textOf(json.encode(value)))),
    decode: (data: Encoded) => json.decode(`${unwrap(JSON.parse(textOf(data)))}`),
  };
}
