import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { ConnectionClosed } from "@dq/dramatiq";
import { Keys } from "../../../brokers/redis/keys.ts";
import { Lease } from "../../../core/lease.ts";
import type { Script } from "../../../clients/redis/script.ts";
import { RedisConsumer } from "../../../brokers/redis/redis_consumer.ts";
import { ACK, FETCH, REQUEUE } from "../../../brokers/redis/scripts.ts";
import type { RedisSession } from "../../../brokers/redis/session.ts";
import { nextTurn } from "../../../platform/runtime.ts";
import { work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { test } from "../../support/test.ts";

/** Milliseconds that tell what hangs from what takes its time. */
const HANGS = 10_000;

/** A session whose Redis answers fetches when the test says, and everything else at once. */
function ready() {
  const clock = new FakeClock();
  const fetches: PromiseWithResolvers<unknown>[] = [];
  const requeued: unknown[] = [];
  const acknowledged: unknown[] = [];
  const reads: PromiseWithResolvers<unknown>[] = [];
  const run = (script: Script, _keys: readonly string[], args: readonly unknown[]) => {
    if (script === REQUEUE) requeued.push(...args.slice(2));
    if (script === ACK) acknowledged.push(...args.slice(2));
    if (script !== FETCH) return Promise.resolve(null);
    const fetch = Promise.withResolvers<unknown>();
    fetches.push(fetch);
    return fetch.promise;
  };
  const session = {
    brokerId: "broker",
    clock,
    serverClock: { argument: "" },
    keys: new Keys("dramatiq", "broker"),
    connection: {
      run,
      command: () => {
        const read = Promise.withResolvers<unknown>();
        reads.push(read);
        return read.promise;
      },
      runWithRetry: (script: Script, keys: string[], args: (again: boolean) => unknown[]) =>
        run(script, keys, args(false)),
    },
    notifier: { subscribe() {}, unsubscribe() {} },
    lease: new Lease(clock, 60_000),
    queues: new Map(),
  } as unknown as RedisSession;
  return { session, fetches, reads, requeued, acknowledged };
}

/** Reply of Redis to a fetch. */
function entries(count: number, padding = ""): [ids: Buffer[], texts: Buffer[]] {
  const numbers = Array.from({ length: count }, (_, i) => i);
  return [
    numbers.map((n) => Buffer.from(`id-${n}`)),
    numbers.map((n) => Buffer.from(work("q", n, padding).encode() as string)),
  ];
}

test("Prefetcher.close bears a fetch ahead that fails, and gives back what it has", async () => {
  const { session, fetches, requeued } = ready();
  const consumer = new RedisConsumer("q", 128, session);
  const receiving = consumer.receive(128);
  await nextTurn();
  fetches[0]!.resolve(entries(64)); // there is room for 64 more, which are fetched ahead
  assertEquals((await receiving).length, 64);
  await nextTurn();
  assertEquals(fetches.length, 2);
  const closing = consumer.close();
  fetches[1]!.reject(new ConnectionClosed("cut"));
  await deadline(closing, HANGS);
  assertEquals(requeued.length, 64);
});

test("Prefetcher holds nothing of a fetch whose texts it cannot read, and acknowledges all the same", async () => {
  const { session, fetches, reads, acknowledged } = ready();
  const consumer = new RedisConsumer("q", 1, session);
  const receiving = consumer.receive(1);
  await nextTurn();
  fetches[0]!.resolve(entries(1, "x".repeat(20_000)));
  const [first] = await receiving;
  const acknowledging = consumer.ack([first!]);
  const next = consumer.receive(1);
  await nextTurn();
  const [ids, texts] = entries(1);
  fetches[1]!.resolve([ids, null, null]); // large ones are read by another command
  await nextTurn();
  const [member] = session.queues.get("q")!.consumers;
  assertEquals([member!.inFlight.size, member!.fetches().length > 0], [1, true]);
  reads[0]!.reject(new ConnectionClosed("cut"));
  await acknowledging;
  assertEquals(acknowledged, ["id-0"]);
  // Redis counts it as unacknowledged by this broker, but no consumer holds it: it is requeued.
  assertEquals([member!.inFlight.size, member!.fetches()], [0, []]);
  member!.wakeUp();
  await nextTurn();
  fetches[2]!.resolve([ids, null, null]);
  await nextTurn();
  reads[1]!.resolve(texts);
  assertEquals((await next).length, 1);
  await consumer.close();
});

test("Prefetcher has two fetches under way while there is a backlog", async () => {
  const { session, fetches } = ready();
  const consumer = new RedisConsumer("q", 128, session);
  const receiving = consumer.receive(128);
  await nextTurn();
  fetches[0]!.resolve(entries(128));
  const received = await receiving;
  void consumer.receive(128);
  void consumer.ack(received.slice(0, 64));
  await nextTurn();
  assertEquals(fetches.length, 2);
  void consumer.ack(received.slice(64));
  await nextTurn();
  assertEquals(fetches.length, 3);
  for (const fetch of fetches) fetch.resolve(null);
  await consumer.close();
});

test("Prefetcher.close gives back what a pause was still waiting for", async () => {
  const { session, fetches, requeued } = ready();
  const consumer = new RedisConsumer("q", 2_000, session);
  void consumer.receive(2_000);
  await nextTurn();
  assertEquals(fetches.length, 2); // a thousand each
  const pausing = consumer.pause();
  let isClosed = false;
  const closing = consumer.close().then(() => isClosed = true);
  fetches[0]!.resolve(entries(64));
  await nextTurn();
  assertEquals(isClosed, false);
  fetches[1]!.resolve(entries(64));
  await deadline(closing, HANGS);
  assertEquals(requeued.length, 128);
  await deadline(pausing, HANGS);
});
