import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type StoredMessage, StubQueue } from "../../../brokers/stub/queue.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { test } from "../../support/test.ts";

const NOW = 1_000_000;

function stored(data: string, eta = 0): StoredMessage {
  return { data, eta };
}

function texts(messages: readonly StoredMessage[]): unknown[] {
  return messages.map((message) => message.data);
}

function queueAt(onSettled: () => void = () => {}): { clock: FakeClock; queue: StubQueue } {
  const clock = new FakeClock(NOW);
  return { clock, queue: new StubQueue(clock, onSettled) };
}

test("StubQueue.take gives messages first in, first out, at most as many as asked for", () => {
  const { queue } = queueAt();
  for (const data of ["a", "b", "c"]) queue.push(stored(data));
  assertEquals(texts(queue.take(2)), ["a", "b"]);
  assertEquals(texts(queue.take(2)), ["c"]);
  assertEquals(texts(queue.take(2)), []);
});

test("StubQueue.take gives nothing when asked for nothing", () => {
  const { queue } = queueAt();
  queue.push(stored("a"));
  assertEquals(queue.take(0), []);
  assertEquals(texts(queue.take(1)), ["a"]);
});

test("StubQueue.putBack puts messages back to the front, in order", () => {
  const { queue } = queueAt();
  for (const data of ["a", "b", "c"]) queue.push(stored(data));
  const taken = queue.take(2);
  queue.putBack(taken);
  queue.settled(2);
  assertEquals(texts(queue.take(3)), ["a", "b", "c"]);
});

test("StubQueue.take gives a delayed message from its eta on, not before", async () => {
  const { clock, queue } = queueAt();
  queue.push(stored("later", NOW + 10));
  await clock.advance(9);
  assertEquals(queue.take(1), []);
  await clock.advance(1);
  assertEquals(texts(queue.take(1)), ["later"]);
});

test("StubQueue.take gives what is due by eta, and those of one eta in order", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: NOW - 5, max: NOW + 5 }), { maxLength: 60 }),
    fc.integer({ min: 1, max: 7 }),
    (etas, limit) => {
      const { queue } = queueAt();
      for (const [i, eta] of etas.entries()) queue.push(stored(`${i}`, eta));
      const due = etas.map((eta, i) => ({ eta, data: `${i}` })).filter(({ eta }) => eta <= NOW)
        .toSorted((a, b) => a.eta - b.eta);
      const taken: unknown[] = [];
      for (let batch = queue.take(limit); batch.length > 0; batch = queue.take(limit)) {
        assert(batch.length <= limit);
        taken.push(...texts(batch));
      }
      assertEquals(taken, due.map(({ data }) => data));
      assertEquals(queue.isIdle, etas.length === 0);
    },
  ));
});

test("StubQueue.take stays in order of eta when messages come in between", () => {
  fc.assert(fc.property(
    fc.array(fc.option(fc.integer({ min: 1, max: 20 }), { nil: "take" }), { maxLength: 100 }),
    (steps) => {
      const { queue } = queueAt();
      const model: StoredMessage[] = [];
      for (const [i, step] of steps.entries()) {
        if (typeof step === "number") {
          const message = stored(`${i}`, step);
          queue.push(message);
          model.push(message);
          model.sort((a, b) => a.eta - b.eta);
        } else {
          assertEquals(queue.take(1)[0], model.shift());
        }
      }
    },
  ));
});

test("StubQueue.isIdle is true when it holds nothing and all that it gave is settled", () => {
  const { queue } = queueAt();
  assert(queue.isIdle);
  queue.push(stored("a"));
  assert(!queue.isIdle);
  queue.take(1);
  assert(!queue.isIdle);
  queue.settled(1);
  assert(queue.isIdle);
  queue.push(stored("later", NOW + 1));
  assert(!queue.isIdle);
  queue.clear();
  assert(queue.isIdle);
});

test("StubQueue.clear leaves what is being worked on to be settled", () => {
  const { queue } = queueAt();
  queue.push(stored("taken"));
  queue.push(stored("dropped"));
  queue.take(1);
  queue.clear();
  assert(!queue.isIdle);
  queue.settled(1);
  assert(queue.isIdle);
  assertEquals(queue.take(1), []);
});

test("StubQueue tells of every settlement and clear, after which it may be idle", () => {
  const idle: boolean[] = [];
  const { queue } = queueAt(() => idle.push(queue.isIdle));
  queue.push(stored("a"));
  queue.push(stored("b"));
  queue.take(1);
  assertEquals(idle, []);
  queue.settled(1);
  assertEquals(idle, [false]);
  queue.clear();
  assertEquals(idle, [false, true]);
});

test("StubQueue.changed resolves for everybody who waits when a message comes", async () => {
  const { clock, queue } = queueAt();
  for (const bring of [() => queue.push(stored("a")), () => queue.putBack([stored("b")])]) {
    const waiting = Promise.all([queue.changed(), queue.changed()]);
    bring();
    await waiting;
  }
  assertEquals(clock.pendingTimers, 0);
});

test("StubQueue.wake has those who wait look again, and leaves no timer", async () => {
  const { clock, queue } = queueAt();
  queue.push(stored("later", NOW + 100));
  const waiting = queue.changed();
  assertEquals(clock.pendingTimers, 1);
  queue.wake();
  await waiting;
  assertEquals(clock.pendingTimers, 0);
});

test("StubQueue.changed resolves when the nearest eta has come, also of one pushed later", async () => {
  const { clock, queue } = queueAt();
  queue.push(stored("far", NOW + 1_000));
  const far = queue.changed();
  queue.push(stored("near", NOW + 10)); // wakes the receiver, which then waits again
  await far;
  let woken = false;
  const near = queue.changed().then(() => woken = true);
  await clock.advance(9);
  assertEquals([woken, clock.pendingTimers], [false, 1]);
  await clock.advance(1);
  await near;
  assertEquals(texts(queue.take(2)), ["near"]);
});

test("StubQueue notices within seconds that its clock was set, forwards or back", async () => {
  const hour = 3_600_000;
  for (const [first, second] of [[0, hour], [-hour, hour]] as const) {
    const { clock, queue } = queueAt();
    queue.push(stored("later", NOW + hour));
    clock.jump(first);
    let taken: StoredMessage[] = [];
    const consuming = (async () => {
      while ((taken = queue.take(1)).length === 0) await queue.changed();
    })();
    await clock.advance(1_000);
    clock.jump(second - first);
    await clock.advance(10_000);
    assertEquals(texts(taken), ["later"]);
    await consuming;
    assertEquals(clock.pendingTimers, 0);
  }
});
