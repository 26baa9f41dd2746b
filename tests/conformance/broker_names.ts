import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { actor, type Broker, Message, pipeline, Worker } from "@dq/dramatiq";
import { readAll } from "./broker_burials.ts";
import type { Rules } from "./broker_harness.ts";
import { firstArgs, receiveOne, work } from "./broker_messages.ts";

/** The most characters that a name may have: with `.DQ.16384s` AMQP's 255. */
const LONGEST = 245;

/** Names that cannot be a queue, given the name of one that is there. */
function badNames(queueName: string): string[] {
  return [
    "",
    "a b",
    "1a",
    "a:b",
    "zażółć",
    "a\n",
    "q".repeat(LONGEST + 1),
    "q".repeat(100_000),
    `${queueName}.XQ`,
    `${queueName}.DQ.DQ`,
    `${queueName}.msgs`,
    `${queueName}.DQ.msgs`,
    `${queueName}.DQ.etas`,
    `${queueName}.DQ.1s`,
    `${queueName}.DQ.ladder`,
    `${queueName}.DQ.quorum`,
    "__heartbeats__",
    "__acks__.id.q",
    "__proto__",
    "amq.direct",
  ];
}

/** All that can be done with the name of a queue. */
const DOORS: Readonly<Record<string, (broker: Broker, name: string) => unknown>> = {
  declare: (broker, name) => broker.declareQueue(name),
  actor: (broker, queueName) => actor(() => {}, { broker, queueName, actorName: "misnamed" }),
  enqueue: (broker, name) => broker.enqueue(work(name)),
  enqueueMany: (broker, name) => broker.enqueueMany([work(name)]),
  pipeline: (broker, name) => pipeline([work([...broker.queues][0]!), work(name)], { broker }),
  consume: (broker, name) => broker.consume(name),
};

/** Entry points at which it may also be that of a queue which belongs to another one. */
const WIDER_DOORS: Readonly<Record<string, (broker: Broker, name: string) => unknown>> = {
  delay: (broker, name) => broker.enqueue(work(name), { delay: 60_000 }),
  flush: (broker, name) => broker.flush(name),
  join: (broker, name) => broker.join(name, { timeout: 1_000 }),
  deadLetters: (broker, name) => broker.deadLetters(name).next(),
  counts: (broker, name) =>
    "getQueueMessageCounts" in broker
      ? (broker as { getQueueMessageCounts(name: string): unknown }).getQueueMessageCounts(name)
      : broker.declareQueue(name),
};

/** A message as a producer with other rules would write it. */
function misnamed(queueName: string, actorName: string): string {
  const message = new Message({ queueName, actorName, args: ["misnamed"] });
  return message.encode() as string;
}

/** One rule for the names of queues. */
export const names: Rules = {
  namesRefused: {
    rule: "Broker refuses what cannot be the name of a queue, wherever that comes in",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      await broker.enqueue(work(queueName, "kept"));
      for (const name of badNames(queueName)) {
        const doors = name.endsWith(".XQ") ? DOORS : { ...DOORS, ...WIDER_DOORS };
        for (const [door, open] of Object.entries(doors)) {
          const error = await assertRejects(async () => await open(broker, name), TypeError);
          assertStringIncludes(
            error.message,
            JSON.stringify(name.slice(0, 100)).slice(0, -1),
            door,
          );
          assert(error.message.length < 400, `${door}: ${error.message.length} characters`);
        }
      }
      assertEquals([...broker.queues], [queueName]);
      assertEquals([...broker.actors.keys()], []);
      await using consumer = broker.consume(queueName);
      assertEquals((await receiveOne(consumer)).args, ["kept"]);
    },
  },

  namesLongest: {
    rule: "Broker sends to, delays on and dead-letters from a queue of the longest name",
    async check(fixture) {
      const broker = await fixture.open();
      const queueName = fixture.newQueueName().padEnd(LONGEST, "x");
      const ran: string[] = [];
      const note = actor(function note(text: string) {
        ran.push(text);
        if (text === "failing") throw new Error("as told");
      }, { broker, queueName, maxRetries: 1, minBackoff: 1, maxBackoff: 1 });
      await using worker = new Worker(broker);
      await worker.start();
      await note.sendWithOptions({ args: ["delayed"], delay: 20 });
      await note.sendWithOptions({ args: ["far"], delay: 3_000 });
      for (const text of ["sent", "failing"]) await note.send(text);
      await broker.join(queueName);
      assertEquals(ran.toSorted(), ["delayed", "failing", "failing", "far", "sent"]);
      assertEquals(firstArgs(await fixture.deadLetters(broker, queueName)), ["failing"]);
    },
  },

  namesReceived: {
    rule: "Worker dead-letters a message that names what cannot be a queue, and runs the others",
    needs: "putRaw",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName, harness } = fixture;
      const ran: string[] = [];
      const note = actor(function note(text: string) {
        ran.push(text);
      }, { broker, queueName });
      const names = badNames(queueName);
      await note.send("before");
      for (const name of names) {
        await harness.putRaw!(broker, queueName, misnamed(name, "note"));
        await harness.putRaw!(broker, `${queueName}.DQ`, misnamed(`${name}.DQ`, "note"));
      }
      await note.send("after");
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      assertEquals(ran, ["before", "after"]);
      const dead = await readAll(broker, queueName);
      assertEquals(dead.length, 2 * names.length);
      for (const { decodeError } of dead) {
        assertStringIncludes(decodeError!.message, "its queue_name is ");
      }
      assertEquals([...broker.queues], [queueName]);
    },
  },

  namesOfFollowUps: {
    rule: "Worker dead-letters a message whose follow-up names what cannot be a queue",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const ran: string[] = [];
      const note = actor(function note(text: string) {
        ran.push(text);
      }, { broker, queueName });
      const pipeTarget = work(`${queueName}.msgs`).asDict();
      await broker.enqueueMany([
        note.message("before"),
        note.messageWithOptions({ args: ["misled"], pipeTarget }),
        note.message("after"),
      ]);
      await using worker = new Worker(broker);
      await worker.start();
      await broker.join(queueName);
      assertEquals(ran, ["before", "misled", "after"]);
      const [dead, ...others] = await fixture.deadLetters(broker);
      assertEquals(others, []);
      assertEquals(dead!.args, ["misled"]);
      assertStringIncludes(String(dead!.option("traceback")), `${queueName}.msgs`);
    },
  },

  namesAlike: {
    rule: "Broker separates queues with similar names",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const names = ["", ".dq", ".DQs", ".etas", ".msg", ".1s", ".ladder", "__"]
        .map((suffix) => queueName + suffix);
      for (const name of names) {
        broker.declareQueue(name);
        await broker.enqueue(work(name, name));
      }
      await broker.flush(queueName);
      for (const name of names.slice(1)) {
        await using consumer = broker.consume(name);
        const delivery = await receiveOne(consumer);
        assertEquals(delivery.args, [name]);
        assertInstanceOf(delivery.message, Message);
        await consumer.ack([delivery]);
      }
    },
  },
};
