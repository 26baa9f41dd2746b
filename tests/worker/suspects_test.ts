import process from "node:process";
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  actor,
  type ActorOptions,
  ConnectionClosed,
  type MessageProxy,
  PoisonMessage,
  Retry,
  Snooze,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { nextTurn } from "../../platform/runtime.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";

// Consumers that were lost are opened again at once.
process.env["DRAMATIQ_RESTART_DELAY"] = "1";

/** A broker whose actor has its worker die, so to say, as often as a test wants. */
async function dying(options: ActorOptions, run: (broker: StubBroker, runs: number) => unknown) {
  const broker = new StubBroker({ failFast: false });
  const worker = new Worker(broker, { concurrency: 4 });
  let runs = 0;
  const deadly = actor(() => run(broker, ++runs), { broker, actorName: "deadly", ...options });
  await worker.start();
  const dead = async (): Promise<MessageProxy[]> => {
    await broker.join("default");
    return [...broker.allDeadLetters];
  };
  return {
    broker,
    deadly,
    dead,
    runs: () => runs,
    async [Symbol.asyncDispose](): Promise<void> {
      await worker.stop();
      await broker.close();
    },
  };
}

const lose = (broker: StubBroker) => broker.loseConsumers();

for (
  const [what, options, sent, expected] of [
    ["is 3 by default", {}, {}, 4],
    ["of the actor", { maxDeaths: 1 }, {}, 2],
    ["of the message, over that of the actor", { maxDeaths: 1 }, { maxDeaths: 2 }, 3],
    ["of the message: what makes no sense is ignored", { maxDeaths: 1 }, { maxDeaths: "9" }, 2],
  ] as const
) {
  test(`maxDeaths ${what}`, async () => {
    await using fixture = await dying(options, lose);
    await fixture.deadly.sendWithOptions(sent as Record<string, unknown>);
    const [dead] = await fixture.dead();
    assertEquals(fixture.runs(), expected);
    assertEquals(dead!.exception instanceof PoisonMessage, true);
    assertEquals((dead!.exception as PoisonMessage).deaths, expected - 1);
    assertMatch(String(dead!.exception), /workers? died while it ran/);
  });
}

for (
  const [where, options, sent] of [["actor", { maxDeaths: null }, {}], ["message", {}, {
    maxDeaths: null,
  }]] as const
) {
  test(`maxDeaths of null on the ${where} has a message run however many workers die`, async () => {
    await using fixture = await dying(options, (broker, runs) => runs < 8 && lose(broker));
    await fixture.deadly.sendWithOptions(sent);
    assertEquals(await fixture.dead(), []);
    assertEquals(fixture.runs(), 8);
  });
}

test("maxDeaths refuses what is no number of workers", () => {
  const broker = new StubBroker();
  for (const maxDeaths of [0, -1, 1.5, NaN, "3"]) {
    assertThrows(
      () => actor(() => {}, { broker, actorName: "bad", maxDeaths: maxDeaths as number }),
      RangeError,
      'Cannot declare actor "bad": its maxDeaths must be a whole number above 0, or null',
    );
  }
});

for (
  const [what, thrown] of [["retry", new Retry("", { delay: 20 })], [
    "snooze",
    new Snooze(20),
  ]] as const
) {
  test(`A ${what} carries the deaths of workers along`, async () => {
    // The retry comes when the message that it is of is acknowledged.
    // Died: unmarked, marked, marked; then the retry: unmarked, marked.
    await using fixture = await dying({}, (broker, runs) => {
      if (runs === 4) throw thrown;
      lose(broker);
    });
    await fixture.deadly.send();
    const [dead] = await fixture.dead();
    assertEquals(fixture.runs(), 6);
    assertEquals(dead!.option("deaths"), 2);
    assertEquals((dead!.exception as PoisonMessage).deaths, 3);
  });
}

test("A poison message that is requeued starts afresh", async () => {
  await using fixture = await dying({ maxDeaths: 1 }, (broker, runs) => runs < 3 && lose(broker));
  await fixture.deadly.send();
  assertEquals((await fixture.dead()).length, 1);
  for await (const dead of fixture.broker.deadLetters("default")) await dead.requeue();
  assertEquals(await fixture.dead(), []);
  assertEquals(fixture.runs(), 3);
});

test("Worker runs messages that a dead worker had beside each other, and a blamed one alone", async () => {
  const broker = new StubBroker({ failFast: false });
  await using worker = new Worker(broker, { concurrency: 4 });
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const hold = actor(async (name: string) => {
    started.push(name);
    await new Promise<void>((resolve) => ends.set(name, resolve));
  }, { broker, actorName: "hold" });
  const end = (name: string) => ends.get(name)!();
  const starts = (count: number) => eventually("start", () => started.length >= count);
  const settle = async () => {
    for (let turn = 0; turn < 10; turn++) await nextTurn();
  };
  const die = () => {
    broker.loseConsumers();
    end("a");
    end("b");
  };
  await hold.send("a");
  await hold.send("b");
  await worker.start();
  await starts(2);
  die();
  await starts(4); // under suspicion, side by side
  die();
  await starts(5); // blamed
  await hold.send("c");
  await settle();
  assertEquals(started.length, 5);
  end(started[4]!);
  await starts(6);
  await settle();
  assertEquals(started.slice(4).toSorted(), ["a", "b"]);
  end(started[5]!);
  await starts(7);
  end("c");
  await broker.join("default");
  await worker.join();
  assertEquals(broker.allDeadLetters, []);
});

test("Worker drops a cancelled suspect without a mark", async () => {
  const broker = new StubBroker();
  let runs = 0;
  const counted = actor(() => void (runs += 1), { broker, actorName: "counted" });
  const message = await counted.send();
  await broker.consume("default").receive(1);
  broker.loseConsumers();
  await message.cancel();
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("default");
  assertEquals([runs, worker.outcomes.cancelled], [0, 1]);
});

test("Worker gives back a suspect that it could not mark, and runs it later", async () => {
  const broker = new StubBroker();
  let runs = 0;
  const counted = actor(() => void (runs += 1), { broker, actorName: "counted" });
  await counted.send();
  await broker.consume("default").receive(1);
  broker.loseConsumers();
  let attempts = 0;
  const consume = broker.consume.bind(broker);
  broker.consume = (...args) => {
    const consumer = consume(...args);
    const begin = consumer.begin.bind(consumer);
    consumer.begin = (messages) => {
      if (++attempts < 3) return Promise.reject(new ConnectionClosed("The server is away"));
      return begin(messages);
    };
    return consumer;
  };
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("default");
  await worker.join();
  assertEquals([runs, attempts, worker.outcomes.lost], [1, 3, 2]);
});
