import { assertEquals } from "@std/assert";
import { actor, type Broker, type RedisBroker, Worker } from "@dq/dramatiq";
import { Redis } from "ioredis";
import { nextTurn } from "../../../platform/runtime.ts";
import { eventually, Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile();

/** Connections in `CLIENT LIST`: those of connections, that which asks left out. */
async function connections(): Promise<string[]> {
  const list = String(await server.command("CLIENT", "LIST")).trimEnd().split("\n");
  return list.filter((line) => !line.includes("cmd=client|list"));
}

/** Waits until there are so many connections; there must never be more. */
async function untilConnected(count: number): Promise<void> {
  let most = 0;
  await eventually(`have ${count} connections`, async () => {
    const { length } = await connections();
    most = Math.max(most, length);
    return length === count;
  });
  assertEquals(most, count);
}

async function untilGone(): Promise<void> {
  await eventually("close all connections", async () => (await connections()).length === 0);
}

function declareNotes(broker: Broker, queues: number) {
  return Array.from({ length: queues }, (_, i) => {
    const options = { broker, queueName: `q${i}`, actorName: `note${i}` };
    return actor((_text: string) => {}, options);
  });
}

test("RedisBroker has one connection to send, whatever it sends to how many queues", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  assertEquals(await connections(), []);
  const notes = declareNotes(broker, 20);
  await Promise.all(notes.flatMap((note) => [
    note.send("now"),
    note.sendMany([["now"], ["too"]]),
    note.sendWithOptions({ args: ["later"], delay: 60_000 }),
  ]));
  await broker.getQueueMessageCounts("q0");
  assertEquals((await connections()).length, 1);
  await broker.close();
  await untilGone();
});

for (const queues of [1, 20]) {
  test(`RedisBroker has three connections with a worker of ${queues} queues, none after its close`, async () => {
    await using fixture = new Fixture(server);
    const broker = fixture.open();
    const notes = declareNotes(broker, queues);
    await using worker = new Worker(broker);
    await worker.start();
    await untilConnected(3);
    const before = await connectionIds();
    for (let round = 0; round < 3; round++) {
      await Promise.all(notes.flatMap((note) => [
        note.send("now"),
        note.sendWithOptions({ args: ["soon"], delay: 1 }),
      ]));
      for (const queueName of broker.queues) await broker.join(queueName);
    }
    assertEquals(await connectionIds(), before);
    await worker.stop();
    await broker.close();
    await untilGone();
  });
}

async function connectionIds(): Promise<string[]> {
  return (await connections()).map((line) => /^id=\d+/.exec(line)![0]);
}

test("RedisBroker has no connection after its close, however early that comes", async () => {
  await using fixture = new Fixture(server);
  await fixture.open().close();
  assertEquals(await connections(), []);
  for (let turns = 0; turns < 40; turns++) {
    const broker = fixture.open();
    const receiving = ["q", "q.DQ"].map((name) => broker.consume(name).receive(1));
    for (let turn = 0; turn < turns; turn++) await nextTurn();
    await broker.close();
    assertEquals(await Promise.all(receiving), [[], []]);
    await untilGone();
  }
});

test("RedisBroker uses a copy of a client, and leaves the client as it was", async () => {
  await using fixture = new Fixture(server);
  const client = new Redis({ port: server.port, host: server.host, db: 3, lazyConnect: true });
  const broker = fixture.open({ client });
  const [note] = declareNotes(broker, 1);
  await using worker = new Worker(broker);
  await worker.start();
  await note!.send("text");
  await broker.join("q0");
  await untilConnected(3);
  const databases = (await connections()).map((line) => / db=(\d+)/.exec(line)![1]);
  assertEquals(databases, ["3", "3", "3"]);
  await worker.stop();
  await broker.close();
  assertEquals(client.status, "wait");
  assertEquals(await client.ping(), "PONG");
  client.disconnect();
  await untilGone();
});

test("RedisBroker goes on when the client that it copied is closed", async () => {
  await using fixture = new Fixture(server);
  const client = new Redis(server.url);
  await client.ping();
  const broker: RedisBroker = fixture.open({ client });
  client.disconnect();
  const [note] = declareNotes(broker, 1);
  await using worker = new Worker(broker);
  await worker.start();
  await note!.send("text");
  await broker.join("q0");
});
