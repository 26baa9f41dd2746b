import { assertEquals, assertRejects } from "@std/assert";
import { ResultMissing, ResultTimeout, StubResultBackend } from "@dq/dramatiq";
import { resultBackendConformance } from "../conformance/result_backend.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

const ALONE = "it lives in the memory of one object";

resultBackendConformance({
  name: "StubResultBackend",
  create: (options) => new StubResultBackend(options),
  skips: {
    seenByOthers: ALONE,
    wokenByOthers: ALONE,
    crowd: ALONE,
    undecodable: ALONE,
    outage: "it has no server",
  },
});

const message = { queueName: "default", actorName: "add", messageId: "1" };

// Reference: results.backends.StubBackend
test("StubResultBackend goes by its clock", async () => {
  const clock = new FakeClock();
  await using backend = new StubResultBackend({ clock });
  await backend.storeResult(message, 1, 1_000);
  await clock.advance(999);
  assertEquals(await backend.getResult(message), 1);
  await clock.advance(1);
  await assertRejects(() => backend.getResult(message), ResultMissing);
  const late = assertRejects(
    () => backend.getResult(message, { block: true, timeout: 86_400_000 }),
    ResultTimeout,
  );
  await clock.waitFor(late);
  assertEquals(clock.pendingTimers, 0);
});

test("StubResultBackend drops what has expired", async () => {
  const clock = new FakeClock();
  await using backend = new StubResultBackend({ clock });
  for (let i = 0; i < 5_000; i++) {
    await backend.storeResult({ ...message, messageId: `${i}` }, i, 10);
    if (i % 100 === 0) await clock.advance(10);
  }
  assertEquals(await backend.getResult({ ...message, messageId: "4999" }), 4_999);
  await assertRejects(() => backend.getResult({ ...message, messageId: "4800" }), ResultMissing);
});
