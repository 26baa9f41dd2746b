import { assertEquals } from "@std/assert";
import { actor, Control, type Message, RedisBroker, schedule, Worker } from "@dq/dramatiq";
import { startForFile } from "../brokers/redis/fixture.ts";
import { linesOf } from "../support/log.ts";
import { eventually } from "../support/servers/until.ts";
import type { PythonDelivery, PythonMessage } from "../torture/python/peer.ts";
import { PythonRedisPeer } from "../torture/python/redis_peer.ts";

const { test, server } = await startForFile();
const QUEUE = "shared";

/** A worker in Python, by the commands that one was seen to send, and what it has run. */
async function openPeer(queueName: string) {
  const peer = await PythonRedisPeer.connect(server.url);
  const held: PythonDelivery[] = [];
  const consuming = peer.consume(queueName, 10, (delivery) => held.push(delivery));
  return {
    peer,
    /** Waits for messages, and acknowledges them. */
    async run(count: number): Promise<PythonMessage[]> {
      await eventually(`run ${count} messages`, () => held.length >= count);
      const run = held.splice(0, count);
      for (const delivery of run) await delivery.ack();
      return run.map(({ message }) => message);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await peer.close();
      await consuming;
    },
  };
}

/** The message as a program in Python sends it: with another id, and the same key. */
function copyOf(message: Message): PythonMessage {
  return { ...message.asDict() as PythonMessage, message_id: crypto.randomUUID() };
}

test("A Python worker ignores pauses, cancellations and claims, and the messages it runs end their claims", async () => {
  await server.command("FLUSHALL");
  await using broker = new RedisBroker({ url: server.url });
  const control = new Control(broker);
  const plain = actor((_n: number) => {}, { broker, actorName: "plain", queueName: QUEUE });
  const once = actor((_n: number) => {}, {
    broker,
    actorName: "once",
    queueName: QUEUE,
    unique: true,
  });
  await control.pause({ queue: QUEUE });
  await control.pause({ actor: plain });
  await using worker = new Worker(broker);
  await worker.start();
  await eventually("hear of both pauses", () => {
    return worker.pausedQueues.length === 1 && worker.pausedActors.length === 1;
  });
  const cancelled = await plain.send(1);
  await cancelled.cancel();
  const held = await once.send(2);
  assertEquals((await once.send(2)).isDuplicate, true);
  await using python = await openPeer(QUEUE);
  assertEquals((await python.run(2)).map(({ message_id: id }) => id), [
    cancelled.messageId,
    held.messageId,
  ]);
  const next = await once.send(2);
  assertEquals(next.isDuplicate, false);
  await python.peer.enqueue(copyOf(next)); // Python claims nothing
  const both = await python.run(2);
  assertEquals(both.map(({ options }) => typeof options["unique_key"]), ["string", "string"]);
  assertEquals([worker.outcomes.done, worker.outcomes.cancelled], [0, 0]);
});

test("Control.pause and paused list workers in Python that continue, and none of this library", async () => {
  await server.command("FLUSHALL");
  await using broker = new RedisBroker({ url: server.url });
  const control = new Control(broker);
  const plain = actor(() => {}, { broker, actorName: "plain", queueName: QUEUE });
  await using worker = new Worker(broker, { report: false });
  await worker.start();
  await using sender = new RedisBroker({ url: server.url });
  await sender.enqueue(plain.message());
  await broker.join(QUEUE);
  assertEquals(await control.pause({ queue: QUEUE }), { ignoredBy: [] });
  await using _python = await openPeer(QUEUE);
  const ids = async () => String(await server.command("ZRANGE", "dramatiq:__heartbeats__", 0, -1));
  await eventually("be heard of", async () => (await ids()).split(",").length === 3);
  const lines = await linesOf({ category: ["dramatiq", "control"] }, async () => {
    const { ignoredBy } = await control.pause({ actor: plain });
    const ours = [broker.brokerId, sender.brokerId];
    const all = (await ids()).split(",");
    assertEquals(ignoredBy, all.filter((id) => !ours.includes(id)));
    assertEquals((await control.paused()).map((one) => one.ignoredBy), [ignoredBy, ignoredBy]);
    assertEquals(await control.pause({ worker: worker.id! }), { ignoredBy: [] });
  });
  assertEquals(lines.map(({ level, message }) => [level, message.slice(0, 3).join("")]), [
    ["warning", 'Paused actor "plain", but workers in Python go on; alive are: '],
  ]);
});

test("Messages from Python run here: duplicates despite a claim, and none during a pause", async () => {
  await server.command("FLUSHALL");
  await using broker = new RedisBroker({ url: server.url });
  const control = new Control(broker);
  const ran: number[] = [];
  const once = actor((n: number) => void ran.push(n), {
    broker,
    actorName: "once",
    queueName: QUEUE,
    unique: true,
  });
  await using worker = new Worker(broker);
  await worker.start();
  await control.pause({ actor: once });
  await eventually("hear of the pause", () => worker.pausedActors.length === 1);
  const held = await once.send(1);
  const python = await PythonRedisPeer.connect(server.url);
  await python.enqueue(copyOf(held));
  const unwanted = copyOf(held);
  await control.cancel(unwanted.message_id);
  await python.enqueue(unwanted);
  await python.close();
  await eventually("delay two, and drop one", async () => {
    const { delayed } = await broker.getQueueMessageCounts(QUEUE);
    return delayed === 2 && worker.outcomes.cancelled === 1;
  });
  assertEquals([ran, (await once.send(1)).isDuplicate], [[], true]);
  await control.resume({ actor: once });
  await eventually("run both", () => ran.length === 2);
  await broker.join(QUEUE);
  assertEquals((await once.send(1)).isDuplicate, false);
});

test("A Python worker gets the messages of a schedule, one for each tick", async () => {
  await server.command("FLUSHALL");
  await using broker = new RedisBroker({ url: server.url });
  schedule({
    ...{ broker, actorName: "tick", queueName: QUEUE },
    every: { name: "tick", interval: 100, overlap: "allow" },
  });
  await using worker = new Worker(broker, { queues: [] });
  await worker.start();
  await using python = await openPeer(QUEUE);
  const ticks = (await python.run(3)).map(({ actor_name: name, options }) => {
    assertEquals(name, "tick");
    return (options["periodic"] as { tick: number }).tick;
  });
  assertEquals(ticks.map((tick) => tick % 100), [0, 0, 0]);
  assertEquals(new Set(ticks).size, 3);
  await worker.stop();
});
