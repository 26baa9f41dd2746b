import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { RabbitmqBroker } from "@dq/dramatiq";
import { work } from "../../conformance/broker_messages.ts";
import { testLong } from "../../servers/own.ts";
import { textOf, withLog } from "../../support/log.ts";
import { type RabbitmqServer, startOwnRabbitmq } from "../../support/servers/rabbitmq.ts";
import type { RabbitmqConsole } from "../../support/servers/rabbitmq_console.ts";
import { after, test as realTest } from "../../support/test.ts";

/** Milliseconds between messages to a queue that confirms nothing. */
const INTERVAL = 200;
/** Milliseconds: far above any honest run. */
const LONGEST_WAIT = 60_000;

const test = testLong("rabbitmq-server");
let server: RabbitmqServer;
let console: RabbitmqConsole;
if (test === realTest) {
  server = await startOwnRabbitmq();
  console = server.openConsole();
  after(async () => {
    await console[Symbol.asyncDispose]();
    await server.stop();
  });
}

/** Opens a broker that has declared quorum queues, and has sent nothing yet. */
async function open(...queueNames: string[]): Promise<RabbitmqBroker> {
  const broker = new RabbitmqBroker({
    ...{ url: server.url, queueType: "quorum" },
    blockedTimeout: 2 * LONGEST_WAIT,
  });
  for (const queueName of queueNames) await broker.getQueueMessageCounts(queueName);
  return broker;
}

/** Has the leader of a quorum queue hang, or go on. */
async function leader(queueName: string, what: "suspend" | "resume"): Promise<void> {
  await console.evaluate(`sys:${what}('%2F_${queueName}').`);
}

const ready = async (broker: RabbitmqBroker, queueName: string) =>
  (await broker.getQueueMessageCounts(queueName)).ready;

test("PublisherPool sends to other queues while RabbitMQ confirms nothing for one", async () => {
  await using broker = await open("hung", "well");
  await withLog({ category: ["dramatiq", "rabbitmq"] }, async (lines, first) => {
    await leader("hung", "suspend");
    const sending = [broker.enqueue(work("hung", 0))];
    // They would hold up each new channel.
    const timer = setInterval(
      () => sending.push(broker.enqueue(work("hung", sending.length))),
      INTERVAL,
    );
    try {
      await deadline(first, LONGEST_WAIT);
      for (let n = 0; n < 20; n++) {
        await deadline(broker.enqueue(work("well", n)), LONGEST_WAIT);
        await delay(INTERVAL / 2);
      }
    } finally {
      clearInterval(timer);
      await leader("hung", "resume");
    }
    await deadline(Promise.all(sending), LONGEST_WAIT);
    assertEquals(await ready(broker, "hung"), sending.length);
    assertEquals(await ready(broker, "well"), 20);
    await broker.enqueue(work("hung", "last"));
    const told = (text: string) => lines.filter((line) => textOf(line).startsWith(text)).length;
    assertEquals(
      told("Giving queue hung a channel of its own: RabbitMQ confirms nothing for it"),
      1,
    );
    assertEquals(told("Returned queue hung to the shared channel after "), 1);
  });
});

test("PublisherPool sends to other queues while thousands wait for one", async () => {
  await using broker = await open("hung_by_many", "also_well");
  await leader("hung_by_many", "suspend");
  let sending: Promise<unknown>;
  try {
    const many = Array.from({ length: 2_000 }, (_, n) => broker.enqueue(work("hung_by_many", n)));
    sending = Promise.all(many);
    let isSent = false;
    // The first ones are caught on the channel that hangs.
    const send = async () => {
      while (!isSent) {
        broker.enqueue(work("also_well", 1)).then(() => isSent = true, () => {});
        await delay(INTERVAL);
      }
    };
    await deadline(send(), LONGEST_WAIT);
    await deadline(broker.enqueue(work("also_well", 2)), LONGEST_WAIT);
  } finally {
    await leader("hung_by_many", "resume");
  }
  await deadline(sending, LONGEST_WAIT);
  // Messages that were unconfirmed when the connection was dropped may be stored twice.
  assert(await ready(broker, "hung_by_many") >= 2_000);
});
