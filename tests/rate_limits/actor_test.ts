import type { LogRecord } from "@logtape/logtape";
import { assertEquals } from "@std/assert";
import {
  actor,
  BucketRateLimiter,
  RateLimitExceeded,
  StubBroker,
  StubRateLimiterBackend,
  Worker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { linesOf } from "../support/log.ts";
import { test } from "../support/test.ts";

test("a message that exceeds a limit is retried when there is room, and no error is logged", async () => {
  const lines = await linesOf({ category: ["dramatiq"] }, async () => {
    const clock = new FakeClock();
    await using backend = new StubRateLimiterBackend({ clock });
    await using broker = new StubBroker({ clock });
    const ran: number[] = [];
    const work = actor(async function work(n: number) {
      await new BucketRateLimiter(backend, "key", { limit: 2, bucket: 60_000, clock }).acquire();
      ran.push(n);
    }, { broker, minBackoff: 60_000, maxBackoff: 60_000 });
    for (const n of [1, 2, 3]) await work.send(n);
    await using worker = new Worker(broker, { concurrency: 1 });
    await worker.start();
    await clock.waitFor(broker.join("default"));
    assertEquals(ran, [1, 2, 3]);
  });
  assertEquals(new Set(lines.map(({ level }) => level)), new Set(["info"]));
  const [{ properties }] = lines as [LogRecord];
  assertEquals(properties["error"] instanceof RateLimitExceeded, true);
});
