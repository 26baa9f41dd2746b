import { assertEquals } from "@std/assert";
import { actor, RedisBroker, Worker } from "@dq/dramatiq";
import { firstArgs, receiveOne, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startRedis } from "../../support/servers/redis.ts";
import { after, test } from "../../support/test.ts";
import { beat, Fixture } from "./fixture.ts";

const server = await startRedis();
after(() => server.stop());

const MINUTE = 60_000;
const NO_HEARTBEAT = { maintenanceInterval: Infinity };
const EMPTY = { ready: 0, delayed: 0, unacknowledged: 0, dead: 0 };

/** Two fixtures of which one's namespace is the beginning of the other's. */
function openTwo() {
  const one = new Fixture(server);
  return { one, two: new Fixture(server, `${one.namespace}:q`) };
}

test("RedisBroker uses the namespace dramatiq unless told otherwise, as Python does", () => {
  assertEquals(new RedisBroker().namespace, "dramatiq");
});

test("RedisBroker finds nothing of other namespaces, whatever they hold", async () => {
  const fixtures = openTwo();
  await using one = fixtures.one;
  await using two = fixtures.two;
  const ran: string[] = [];
  const declare = (broker: RedisBroker, name: string) =>
    actor((text: string) => void ran.push(`${name} ${text}`), {
      broker,
      queueName: "q",
      actorName: "note",
    });
  const brokers = [one.open(), two.open()];
  const [first, second] = brokers.map((broker, i) => declare(broker, `${i}`));
  await first!.send("now");
  await first!.sendWithOptions({ args: ["late"], delay: 1 });
  await second!.send("now");
  {
    await using worker = new Worker(brokers[0]!);
    await worker.start();
    await brokers[0]!.join("q");
    await worker.stop();
  }
  assertEquals(ran, ["0 now", "0 late"]);
  assertEquals(await brokers[0]!.getQueueMessageCounts("q"), EMPTY);
  assertEquals(await brokers[1]!.getQueueMessageCounts("q"), { ...EMPTY, ready: 1 });
});

test("RedisBroker takes nothing over from other namespaces", async () => {
  const fixtures = openTwo();
  await using one = fixtures.one;
  await using two = fixtures.two;
  const clock = new FakeClock();
  const dead = two.open({ clock, ...NO_HEARTBEAT });
  await dead.enqueue(work("q", 1));
  const consumer = dead.consume("q");
  await receiveOne(consumer);
  await clock.advance(MINUTE);
  const recoverer = one.open({ clock, ...NO_HEARTBEAT });
  recoverer.declareQueue("q");
  // It has somebody dead of its own to look for.
  await one.command("ZADD", one.key("__heartbeats__"), 1, "dead");
  await recoverer.maintain();
  assertEquals(await one.heartbeat("dead"), undefined);
  assertEquals(await two.held(dead.brokerId, "q"), 1);
});

test("RedisBroker flushes its own namespace only", async () => {
  const fixtures = openTwo();
  await using one = fixtures.one;
  await using two = fixtures.two;
  const [first, second] = [one.open(), two.open()];
  for (const broker of [first, second]) {
    broker.declareQueue("q");
    await broker.enqueue(work("q", "text"));
  }
  await first.flushAll();
  assertEquals(await first.getQueueMessageCounts("q"), EMPTY);
  assertEquals((await receiveOne(second.consume("q"))).args, ["text"]);
});

test("RedisBroker is not woken by the queues of other namespaces", async () => {
  const fixtures = openTwo();
  await using one = fixtures.one;
  await using two = fixtures.two;
  const clock = new FakeClock();
  const [first, second] = [one.open({ clock }), two.open({ clock })];
  const receiving = first.consume("q").receive(1);
  await second.enqueue(work("q", "theirs"));
  await beat(first, clock);
  await first.enqueue(work("q", "mine"));
  assertEquals(firstArgs(await receiving), ["mine"]);
  assertEquals(await two.firstArgs("q"), ["theirs"]);
});
