import { assertEquals } from "@std/assert";
import { StubControlStore } from "@dq/dramatiq/control";
import { WorkerReporter } from "../../worker/worker_report.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** A worker that reports to a store whose clock is another one. */
async function open() {
  const [clock, storeClock] = [new FakeClock(), new FakeClock()];
  const store = new StubControlStore({ clock: storeClock });
  const state = () => ({ queues: ["default"], concurrency: 1, running: 0 });
  const reporter = new WorkerReporter({ store, clock, isInMemory: false, state });
  reporter.start(storeClock.now());
  await clock.settle();
  const count = async () => (await store.read("worker/")).entries.length;
  return { clock, storeClock, store, reporter, count };
}

test("WorkerReporter renews its entry, which ends within a minute of its worker's death", async () => {
  const { clock, storeClock, store, count } = await open();
  for (let i = 0; i < 5; i++) {
    assertEquals(await count(), 1);
    await storeClock.advance(20_000);
    await clock.advance(20_000);
  }
  await storeClock.advance(59_999); // its own clock stands still: it is dead
  assertEquals(await count(), 1);
  await storeClock.advance(1);
  assertEquals(await count(), 0);
  await store.close();
});

test("WorkerReporter takes its entry away when its worker stops, and reports no more", async () => {
  const { clock, store, reporter, count } = await open();
  assertEquals(await count(), 1);
  await reporter.stop(new Promise(() => {}));
  assertEquals([await count(), clock.pendingTimers], [0, 0]);
  reporter.report();
  await clock.settle();
  assertEquals(await count(), 0);
  await store.close();
});
