import { assertEquals } from "@std/assert";
import { TickEntry } from "../../control/tick_entry.ts";
import { test } from "../support/test.ts";
import { Fleet, START } from "./scheduler_fixture.ts";

test("a changed pattern starts now, and changed arguments lose no tick", async () => {
  await using fleet = new Fleet();
  await (await fleet.work(fleet.declare({ cron: { pattern: "0 3 * * *", args: ["old"] } }))).stop();
  await fleet.advance(4 * 3_600_000);
  const changed = await fleet.work(
    fleet.declare({ cron: { pattern: "0 3 * * *", args: ["new"] } }),
  );
  await fleet.advance(1);
  assertEquals(fleet.take(), ["new 2026-01-05T03:00:00.000Z"]);
  await changed.stop();
  await fleet.work(fleet.declare({ cron: { pattern: "30 3 * * *", args: ["later"] } }));
  await fleet.advance(1);
  assertEquals(fleet.take(), []);
});

test("a pattern that was changed while no worker was alive starts now", async () => {
  await using fleet = new Fleet();
  const value = { tick: START, timing: "0 3 * * * UTC", sent: 0, skipped: 0 };
  const schedules = fleet.declare({ cron: "0 3 * * *" }).schedules.all;
  await fleet.store.change([
    { key: "specs/old", value: JSON.parse(JSON.stringify(schedules)) },
    { key: "boot/old", value: { worker: "killed", bootedAt: START } },
    { key: "tick/nightly", value },
  ]);
  await fleet.advance(5 * 3_600_000);
  await fleet.work(fleet.declare({ cron: "0 4 * * *" }));
  await fleet.advance(1);
  assertEquals(fleet.take(), []);
});

test("a schedule whose entry is lost starts now, whatever the version of the next entry", async () => {
  await using fleet = new Fleet();
  await fleet.work(fleet.declare({ every: { minutes: 1 } }));
  await fleet.advance(60_000);
  await fleet.store.change([{ key: "tick/nightly", value: null }]);
  await fleet.advance(90_000);
  assertEquals(fleet.take(), ["2026-01-05T00:01:00.000Z"]);
  await fleet.advance(30_000);
  assertEquals(fleet.take(), ["2026-01-05T00:03:00.000Z"]);

  // A file that was replaced counts versions anew.
  const entry = new TickEntry("nightly");
  const value = { tick: START, timing: "every 60000" };
  assertEquals(entry.learn({ key: entry.key, value, version: 900 }), true);
  assertEquals(entry.learn({ key: entry.key, value, version: 5 }), false);
  entry.replace({ key: entry.key, value, version: 5 });
  assertEquals([entry.version, entry.state?.tick], [5, START]);
  assertEquals(entry.changeTo(entry.state!, 0).ifVersion, 5);
});

test("of two definitions the newer one fires, and the older one once no worker has the newer", async () => {
  await using fleet = new Fleet();
  const old = fleet.declare({ every: { interval: { minutes: 1 }, args: ["old"] } });
  await fleet.work(old);
  await fleet.advance(60_000);
  assertEquals(fleet.take(), ["old 2026-01-05T00:01:00.000Z"]);
  const young = await fleet.work(
    fleet.declare({ every: { interval: { seconds: 90 }, args: ["new"] } }),
  );
  await fleet.advance(120_000);
  assertEquals(fleet.take(), ["new 2026-01-05T00:01:30.000Z", "new 2026-01-05T00:03:00.000Z"]);
  await young.stop();
  await fleet.advance(60_000);
  assertEquals(fleet.take(), ["old 2026-01-05T00:04:00.000Z"]);
});

test("ticks that were due after a killed worker was last seen are fired with its definition", async () => {
  await using fleet = new Fleet();
  const old = fleet.declare({ cron: { pattern: "1 * * * *", args: ["old"] } });
  await fleet.work(old);
  await fleet.advance(5_000);
  // As a worker of a new release leaves it that is killed at once.
  const schedules = [{ ...old.schedules.all[0]!, cron: "30 * * * *", args: ["new"] }];
  const seenAt = fleet.clock.now();
  const worker = { schedules: "digest", bootedAt: seenAt, seenAt };
  await fleet.store.change([
    { key: "specs/digest", value: JSON.parse(JSON.stringify(schedules)) },
    { key: "worker/killed", value: worker, ttl: 60_000 },
    { key: "boot/digest", value: { worker: "killed", bootedAt: seenAt } },
    {
      key: "tick/nightly",
      value: { tick: seenAt, timing: "30 * * * * UTC", sent: 0, skipped: 0 },
    },
  ]);
  await fleet.advance(56_000);
  assertEquals(fleet.take(), []);
  await fleet.advance(30_000);
  assertEquals(fleet.take(), ["old 2026-01-05T00:01:00.000Z"]);
});

test("a store clock that is set back fires no tick twice, one set forward skips ticks", async () => {
  await using fleet = new Fleet();
  const broker = fleet.declare({ every: { minutes: 1 } });
  await fleet.work(broker);
  await fleet.advance(60_000);
  assertEquals(fleet.take(), ["2026-01-05T00:01:00.000Z"]);
  fleet.clock.jump(-50_000);
  await fleet.advance(60_000);
  assertEquals(fleet.take(), []);
  await fleet.advance(50_000);
  assertEquals(fleet.take(), ["2026-01-05T00:02:00.000Z"]);
  fleet.clock.jump(600_000);
  await fleet.advance(60_000);
  assertEquals(fleet.take()[0], "2026-01-05T00:12:00.000Z");
});
