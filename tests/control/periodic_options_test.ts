import { assertEquals, assertThrows } from "@std/assert";
import { actor, type ControlStore, RabbitmqBroker, schedule, StubBroker } from "@dq/dramatiq";
import type { PeriodicTimes } from "@dq/dramatiq/control";
import { test } from "../support/test.ts";

test("actor refuses invalid schedules, and names the actor, the reason and the value", () => {
  const broker = new StubBroker();
  const every = (options: object) => ({ every: { interval: 1_000, ...options } });
  const faults: [times: unknown, type: typeof TypeError | typeof RangeError, part: string][] = [
    [{ cron: "* * * * *", every: 1_000 }, TypeError, "needs a name of its own"],
    [{ cron: 5 }, TypeError, "is 5"],
    [{ cron: { pattern: 5 } }, TypeError, "its pattern is 5"],
    [{ cron: "61 * * * *" }, RangeError, '"61 * * * *": its minute 61'],
    [{ cron: "0 0 30 2 *" }, RangeError, "never occurs"],
    [{ cron: "a text" }, TypeError, "a text"],
    [
      { cron: { pattern: "* * * * *", timeZone: "Mars/Olympus" } },
      RangeError,
      '"Mars/Olympus"',
    ],
    [{ cron: { pattern: "* * * * *", timeZone: 1 } }, TypeError, "its timeZone is 1"],
    [{ cron: { cron: "* * * * *" } }, TypeError, "cron (here: pattern)"],
    [{ every: -5 }, RangeError, "its every is -5 ms"],
    [{ every: 99 }, RangeError, "99 ms, and must be a whole number of milliseconds, 100 or more"],
    [{ every: 100.5 }, RangeError, "100.5"],
    [{ every: NaN }, RangeError, "NaN"],
    [{ every: "10s" }, TypeError, "10s"],
    [{ every: { interval: "10s" } }, TypeError, "10s"],
    [every({ timeZone: "UTC" }), TypeError, "timeZone"],
    [every({ missed: "twice" }), TypeError, 'its missed is "twice", not one of one'],
    [every({ overlap: true }), TypeError, "its overlap is true"],
    [every({ jitter: -1 }), RangeError, "its jitter is -1"],
    [every({ grace: -1 }), RangeError, "its grace is -1"],
    [every({ args: "eu" }), TypeError, 'its args are "eu"'],
    [every({ args: [1n] }), TypeError, "cannot be written as JSON"],
    [every({ name: "" }), TypeError, 'has the name ""'],
    [{ every: [] }, TypeError, "its every is an empty list"],
    [{ cron: [] }, TypeError, "its cron is an empty list"],
    [{ every: [1_000, 2_000] }, TypeError, "needs a name of its own"],
    [
      {
        every: [{ name: "a", interval: 1_000 }, { name: "a", interval: 2_000 }],
      },
      TypeError,
      '"a"',
    ],
    [{ cron: null }, TypeError, "null"],
    [{ every: null }, TypeError, "null"],
    [{ every: [null] }, TypeError, "null"],
    [{ cron: [5] }, TypeError, "5"],
  ];
  for (const [times, type, part] of faults) {
    const declare = () => actor(() => {}, { broker, actorName: "bad", ...times as PeriodicTimes });
    assertThrows(declare, type, part);
    assertThrows(declare, type, '"bad"');
  }
  assertEquals([broker.schedules.size, broker.actors.size], [0, 0]);
});

test("schedules of one name are refused, of actors and of peers", () => {
  const broker = new StubBroker();
  actor(() => {}, { broker, actorName: "first", every: 1_000 });
  const second = () =>
    actor(() => {}, { broker, actorName: "second", every: { interval: 1_000, name: "first" } });
  assertThrows(second, TypeError, 'taken by one of actor "first"');
  const peer = () => schedule({ broker, actorName: "first", every: 1_000 });
  assertThrows(peer, TypeError, 'taken by one of actor "first"');
  assertThrows(
    () => schedule({ broker, actorName: "peer", every: { interval: 1_000, overlap: "skip" } }),
    TypeError,
    'only "allow"',
  );
  assertThrows(() => schedule({ broker, actorName: "", every: 1_000 }), TypeError, "needs a name");
});

test("RabbitmqBroker without a control store refuses periodic actors, and names the missing option", () => {
  const broker = new RabbitmqBroker();
  const declare = () => actor(() => {}, { broker, actorName: "nightly", every: 1_000 });
  assertThrows(declare, TypeError, 'Cannot run actor "nightly" periodically');
  assertThrows(
    declare,
    TypeError,
    "new RabbitmqBroker({ control: new RedisControlStore({ url }) })",
  );
  const store: ControlStore | undefined = broker.controlStore;
  assertEquals([store, broker.actors.size], [undefined, 0]);
});
