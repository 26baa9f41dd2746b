import { assertEquals, assertInstanceOf } from "@std/assert";
import { UndecodableMessage } from "../../../core/undecodable_message.ts";
import { firstArgs, receiveCount, receiveOne, work } from "../../conformance/broker_messages.ts";
import { Monitor } from "./monitor.ts";
import { Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile();

const NO_HEARTBEAT = { maintenanceInterval: Infinity };

/** Puts texts on a queue, under ids of any form; Lua's escapes stand for bytes. */
async function put(fixture: Fixture, entries: readonly [id: string, text: string][]) {
  for (const [id, text] of entries) {
    const script = `
      redis.call('HSET', KEYS[2], ARGV[1], '${text}')
      redis.call('RPUSH', KEYS[1], ARGV[1])
    `;
    await fixture.command("EVAL", script, 2, fixture.key("q"), fixture.key("q.msgs"), id);
  }
}

function textOf(argument: string): string {
  return `{"queue_name":"q","actor_name":"work","args":["${argument}"],"kwargs":{},"options":{},` +
    '"message_id":"1","message_timestamp":1}';
}

/** Ids as no client of ours makes them, and the usual one. */
const IDS: Record<string, () => string> = {
  "the usual form": () => crypto.randomUUID(),
  "another length": () => crypto.randomUUID().slice(0, 7),
  "36 bytes that are fewer characters": () => "\u00e4".repeat(9) + crypto.randomUUID().slice(0, 18),
  "36 characters that are more bytes": () => "\u00e4".repeat(18) + crypto.randomUUID().slice(0, 18),
};

for (const [form, makeId] of Object.entries(IDS)) {
  test(`RedisConsumer gives and acknowledges messages whose ids have ${form}`, async () => {
    await using fixture = new Fixture(server);
    const broker = fixture.open(NO_HEARTBEAT);
    await put(fixture, ["a", "b", "c", "d"].map((text) => [makeId(), textOf(text)]));
    await using consumer = broker.consume("q", { prefetch: 2 });
    for (const pair of [["a", "b"], ["c", "d"]]) {
      const received = await receiveCount(consumer, 2);
      assertEquals(firstArgs(received), pair);
      void consumer.ack(received); // travels with the next fetch, if there is one
    }
    await consumer.close();
    const { ready, unacknowledged } = await broker.getQueueMessageCounts("q");
    assertEquals([ready, unacknowledged], [0, 0]);
    assertEquals(await fixture.held(broker.brokerId, "q"), 0);
  });
}

test("RedisConsumer cuts texts apart that are no ASCII, and leaves bytes that are no UTF-8", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open(NO_HEARTBEAT);
  // U+FFFD itself, as it stands for what cannot be decoded, and a lone continuation byte.
  const texts = [
    textOf("a"),
    textOf("\\195\\164"),
    textOf("\\239\\191\\189"),
    "\\128",
    textOf("z"),
  ];
  await put(fixture, texts.map((text) => [crypto.randomUUID(), text]));
  await using consumer = broker.consume("q", { prefetch: 10 });
  const received = await receiveCount(consumer, 5);
  assertEquals(firstArgs(received), ["a", "\u00e4", "\ufffd", undefined, "z"]);
  const { message } = received[3]!;
  assertInstanceOf(message, UndecodableMessage);
  assertEquals([...message.encode() as Uint8Array], [128]);
  await consumer.ack(received);
});

test("RedisConsumer gives a message beside an id that has no text", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open(NO_HEARTBEAT);
  await fixture.command("RPUSH", fixture.key("q"), crypto.randomUUID());
  await put(fixture, [[crypto.randomUUID(), textOf("a")]]);
  await using consumer = broker.consume("q", { prefetch: 10 });
  const message = await receiveOne(consumer);
  assertEquals(message.args, ["a"]);
  await consumer.ack([message]);
});

test("RedisConsumer reads texts by a command of their own once they are large", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open(NO_HEARTBEAT);
  const texts = ["a", "b", "c", "d"].map((letter) => letter.repeat(30_000));
  await broker.enqueueMany([...texts, "small", "small"].map((text) => work("q", text)));
  await using monitor = await Monitor.open(server);
  await using consumer = broker.consume("q", { prefetch: 1 });
  const received: unknown[] = [];
  const commands: (string | undefined)[][] = [];
  for (let i = 0; i < 6; i++) {
    const message = await receiveOne(consumer);
    received.push(message.args[0]);
    void consumer.ack([message]);
    commands.push((await monitor.take()).map(([name]) => name).filter((name) => name === "hmget"));
  }
  assertEquals(received, [...texts, "small", "small"]);
  assertEquals(commands, [[], ["hmget"], ["hmget"], ["hmget"], ["hmget"], []]);
});
