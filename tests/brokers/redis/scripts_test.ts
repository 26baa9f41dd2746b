import { assert, assertEquals } from "@std/assert";
import { type MessageProxy, type RedisBroker, systemClock } from "@dq/dramatiq";
import { Script } from "../../../clients/redis/script.ts";
import * as deadLetterScripts from "../../../brokers/redis/dead_letter_scripts.ts";
import * as delayedScripts from "../../../brokers/redis/delayed_scripts.ts";
import * as recoveryScripts from "../../../brokers/redis/recovery_scripts.ts";
import * as messageScripts from "../../../brokers/redis/scripts.ts";
import { receiveOne, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { Monitor, runsOf } from "./monitor.ts";
import { leaveFromPython, sendFromPython } from "./python.ts";
import { beat, eventually, Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile();

const MINUTE = 60_000;
const scripts: Readonly<Record<string, unknown>> = {
  ...messageScripts,
  ...delayedScripts,
  ...deadLetterScripts,
  ...recoveryScripts,
};

/** Means of a test of a script. */
interface Means {
  readonly fixture: Fixture;
  readonly broker: RedisBroker;
  readonly clock: FakeClock;
}

/** Receives a message of a queue, or one that is due of a delay queue, and settles it. */
async function settle(
  { broker, clock }: Means,
  verb: "ack" | "nack" | "requeue" | "promote",
  delay?: number,
): Promise<void> {
  await broker.enqueue(work("q", 1), delay === undefined ? {} : { delay });
  await clock.advance(delay ?? 0);
  await using consumer = broker.consume(delay === undefined ? "q" : "q.DQ");
  const message: MessageProxy = await receiveOne(consumer);
  if (verb === "promote") await broker.enqueueDue(message);
  else await consumer[verb]([message]);
}

/** Brokers that ask the server for the time: those with a clock that rules it need not. */
const asking: WeakMap<Fixture, RedisBroker> = new WeakMap();

/** Actions that make a broker run a script, other ones perhaps too. */
const ACTS: Record<string, (means: Means) => Promise<unknown>> = {
  ENQUEUE: ({ broker }) => broker.enqueue(work("q", 1)),
  FETCH: (means) => settle(means, "ack"),
  ACK: (means) => settle(means, "ack"),
  NACK: (means) => settle(means, "nack"),
  REQUEUE: (means) => settle(means, "requeue"),
  SORT: (means) => settle(means, "ack", 1),
  async SCHEDULE({ fixture, broker, clock }) {
    // Half a character is JSON for us, and not for Redis.
    await sendFromPython(fixture, "odd.DQ", ["\ud800"], clock.now());
    await using consumer = broker.consume("odd.DQ");
    const message = await receiveOne(consumer);
    assertEquals(message.args, ["\ud800"]);
    await consumer.ack([message]);
  },
  CLAIM: (means) => settle(means, "ack", 1),
  DROP: (means) => settle(means, "ack", 1),
  RELEASE: (means) => settle(means, "requeue", 1),
  PROMOTE: (means) => settle(means, "promote", 1),
  async POSTPONE({ fixture, broker, clock }) {
    await sendFromPython(fixture, "early", ["text"], clock.now() + MINUTE);
    const consumer = broker.consume("early");
    const receiving = consumer.receive(1);
    await eventually("postpone it", async () => {
      const { ready, unacknowledged } = await broker.getQueueMessageCounts("early");
      return ready + unacknowledged === 0;
    });
    await consumer.close();
    assertEquals(await receiving, []);
  },
  RESTORE: ({ broker }) => broker.restoreDelayed("q"),
  async HEARTBEAT({ broker, clock }) {
    const consumer = broker.consume("empty");
    const receiving = consumer.receive(1);
    await broker.getQueueMessageCounts("empty");
    await beat(broker, clock);
    await consumer.close();
    assertEquals(await receiving, []);
  },
  async LOCK({ broker, clock }) {
    const consumer = broker.consume("empty");
    const receiving = consumer.receive(1);
    // About once a minute, it drops old dead letters.
    for (let second = 0; second < 80; second++) await beat(broker, clock);
    await consumer.close();
    assertEquals(await receiving, []);
  },
  async TAKE_OVER({ fixture, broker, clock }) {
    await leaveFromPython(fixture, "theirs", [1], clock.now() - MINUTE);
    const { ready } = await broker.getQueueMessageCounts("theirs");
    await broker.maintain();
    assertEquals((await broker.getQueueMessageCounts("theirs")).ready, ready + 1);
  },
  async FORGET({ fixture, broker, clock }) {
    const dead = await leaveFromPython(fixture, "theirs", [], clock.now() - MINUTE);
    await broker.maintain();
    assertEquals(await fixture.heartbeat(dead), undefined);
  },
  async TIME({ fixture }) {
    let broker = asking.get(fixture);
    if (broker === undefined) asking.set(fixture, broker = fixture.open({ clock: systemClock }));
    await broker.maintain();
  },
  LIST_BROKERS: ({ broker }) => broker.findForeignBrokers(),
  EXPIRE: ({ broker }) => broker.maintain(),
  FORGET_REPORTS: ({ broker }) => broker.maintain(),
  LIST_SILENT: ({ broker }) => broker.maintain(),
  PURGE: ({ broker }) => broker.flush("q"),
  COUNT: ({ broker }) => broker.getQueueMessageCounts("q"),
  async REQUEUE_DEAD_LETTER(means) {
    await settle(means, "nack");
    for await (const dead of means.broker.deadLetters("q")) assert(await dead.requeue());
  },
  async DROP_DEAD_LETTER(means) {
    await settle(means, "nack");
    for await (const dead of means.broker.deadLetters("q")) assert(await dead.drop());
  },
};

for (const [name, act] of Object.entries(ACTS)) {
  test(`RedisBroker runs ${name} when Redis has forgotten it`, async () => {
    const script = scripts[name];
    assert(script instanceof Script);
    await using fixture = new Fixture(server);
    await using monitor = await Monitor.open(server);
    const clock = new FakeClock();
    const broker = fixture.open({ clock });
    broker.declareQueue("q");
    await act({ fixture, broker, clock });
    await server.command("SCRIPT", "FLUSH");
    await monitor.take();

    await act({ fixture, broker, clock });

    const [first, second] = runsOf(script, await monitor.take());
    assertEquals([first?.[0], second?.[0]], ["evalsha", "eval"]);
  });
}

test("RedisBroker's scripts are all tested", () => {
  const names = Object.entries(scripts).filter(([, script]) => script instanceof Script)
    .map(([name]) => name);
  // A broker leaves once, and so never by a hash.
  assertEquals(names.filter((name) => ACTS[name] === undefined), ["LEAVE"]);
});

test("RedisBroker keeps the order of what is sent while Redis has forgotten its scripts", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  await broker.enqueue(work("q", 0));
  await server.command("SCRIPT", "FLUSH");
  // Several calls under way: each of a turn, or of 250.
  const sendings: Promise<unknown>[] = [];
  for (let n = 1; n <= 5_000; n++) sendings.push(broker.enqueue(work("q", n)));
  await Promise.all(sendings);
  assertEquals(await fixture.firstArgs("q"), Array.from({ length: 5_001 }, (_, i) => i));
});
