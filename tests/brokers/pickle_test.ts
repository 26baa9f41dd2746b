/**
 * Pickled messages through brokers and a worker: they come out as Python put them in.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Redis } from "ioredis";
import {
  actor,
  type Broker,
  decodeFromQueue,
  getEncoder,
  Message,
  PickleEncoder,
  RedisBroker,
  setBroker,
  setEncoder,
  StubBroker,
  UndecodableMessage,
  Worker,
} from "@dq/dramatiq";
import { startRedis } from "../support/servers/redis.ts";
import { after, test } from "../support/test.ts";
import { fromBase64 } from "../support/vectors.ts";
import pickles from "../vectors/pickle.json" with { type: "json" };

const server = await startRedis();
const redis = new Redis(server.url);
after(async () => {
  redis.disconnect();
  await server.stop();
});
// The encoder is that of the process. Every test file runs in one of its own, or alone.
const encoder = new PickleEncoder();

const makers: Readonly<Record<string, () => Broker>> = {
  StubBroker: () => new StubBroker({ failFast: false }),
  RedisBroker: () =>
    new RedisBroker({ url: server.url, namespace: `pickle-${crypto.randomUUID()}` }),
};
const arguments_ = pickles.pickle_only_cases.map(({ base64 }) => fromBase64(base64));

for (const [name, open] of Object.entries(makers)) {
  test(`PickleEncoder on ${name}: a message that is delayed, fails and is retried keeps its types`, async () => {
    await withPickles(async () => {
      await using broker = open();
      const seen: unknown[] = [];
      const keep = actor(function keep(value: unknown) {
        seen.push(value);
        throw new Error("again");
      }, { broker, maxRetries: 1, minBackoff: 1, maxBackoff: 1 });
      await using worker = new Worker(broker, { concurrency: 4 });
      await worker.start();
      for (const bytes of arguments_) {
        const sent = Message.decode(bytes).copy({ actorName: keep.actorName });
        await broker.enqueue(sent, { delay: 1 });
      }
      await broker.join("default");
      await worker.stop();
      assertEquals(seen.length, 2 * arguments_.length);

      const dead = await deadLetters(broker);
      assertEquals(
        sorted(dead.map(argsOf)),
        sorted(arguments_.map((one) => argsOf(Message.decode(one)))),
      );
      assertEquals(dead.map((one) => one.option("retries")), dead.map(() => 2));
    });
  });

  test(`PickleEncoder on ${name}: pipelines pass on what was piped`, async () => {
    await withPickles(async () => {
      await using broker = open();
      setBroker(broker);
      const results: unknown[] = [];
      const twice = actor((n: bigint) => n * 2n, { broker, actorName: "twice" });
      const note = actor((n: bigint) => void results.push(n), { broker, actorName: "note" });
      await using worker = new Worker(broker);
      await worker.start();
      await twice.message(2n ** 70n).pipe(note.message()).run();
      await broker.join("default");
      await worker.join();
      assertEquals(results, [2n ** 71n]);
    });
  });
}

/** Arguments as they are pickled: whether tuples, floats and datetimes are still those. */
function argsOf(message: Message): string {
  return String(encoder.encode({ args: message.copy().asDict().args }));
}

function sorted(texts: readonly string[]): string[] {
  return texts.toSorted();
}

async function deadLetters(broker: Broker): Promise<Message[]> {
  if (broker instanceof StubBroker) {
    return (broker.deadLettersByQueue.get("default") ?? []).map((one) => one.deadLetter);
  }
  const { namespace } = broker as RedisBroker;
  const texts = await redis.hvalsBuffer(`${namespace}:default.XQ.msgs`);
  const messages = texts.map((text) => decodeFromQueue("default", text));
  assertEquals(messages.filter((one) => one instanceof UndecodableMessage), []);
  return messages;
}

async function withPickles(body: () => Promise<void>): Promise<void> {
  const before = getEncoder();
  setEncoder(encoder);
  try {
    await body();
  } finally {
    setEncoder(before);
  }
}
