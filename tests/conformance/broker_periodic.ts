import { assert, assertEquals, assertRejects } from "@std/assert";
import { currentMessage, Retry, schedule } from "@dq/dramatiq";
import type { PeriodicMessage } from "@dq/dramatiq/control";
import { eventually } from "../support/servers/until.ts";
import type { Fixture, Rules, Side } from "./broker_control_harness.ts";

/** Milliseconds: the shortest interval there is. */
const EVERY = 100;

/** One run of a periodic actor. */
interface PeriodicRun {
  readonly tick: number;
  readonly messageId: string;
  readonly args: readonly unknown[];
}

function runNow(): PeriodicRun {
  const { messageId, args, options } = currentMessage()!;
  return { tick: (options["periodic"] as PeriodicMessage).tick, messageId, args };
}

/** Ticks of runs, in their order in time. */
function ticksOf(runs: readonly PeriodicRun[]): number[] {
  return runs.map(({ tick }) => tick).toSorted((a, b) => a - b);
}

/** Fails unless each tick has one run, and none is left out. */
function assertEachOnce(runs: readonly PeriodicRun[]): void {
  const ticks = ticksOf(runs);
  const first = ticks[0]!;
  assertEquals(first % EVERY, 0);
  assertEquals(ticks, ticks.map((_, i) => first + i * EVERY));
  assertEquals(new Set(runs.map(({ messageId }) => messageId)).size, runs.length);
}

function nameOf(fixture: Fixture): string {
  return `every_${fixture.namespace}`;
}

/** The schedule of a fixture, as `schedules` tells. */
async function reportOf(fixture: Fixture, { control }: Side) {
  const reports = await control.schedules();
  return reports.find(({ name }) => name === nameOf(fixture));
}

/** Rules of periodic actors. Intervals are short, and nothing is said of how late they are. */
export const periodic: Rules = {
  firesEachTickOnce: {
    rule: "periodic actors get one message a tick in the whole fleet, and none is left out",
    async check(fixture) {
      const runs: PeriodicRun[] = [];
      const sides = [fixture.open(), fixture.open(), fixture.open()];
      for (const side of new Set(sides)) {
        fixture.actor(side, () => void runs.push(runNow()), {
          actorName: "every",
          every: { interval: EVERY, name: nameOf(fixture), missed: "all", overlap: "allow" },
        });
      }
      for (const side of sides) await fixture.work(side);
      await eventually("fire ten times", () => runs.length >= 10);
      assertEachOnce(runs);
    },
  },

  survivesRestart: {
    rule: 'periodic actors make up what was missed while no worker was alive: missed: "all"',
    async check(fixture) {
      const runs: PeriodicRun[] = [];
      const side = fixture.open();
      fixture.actor(side, () => void runs.push(runNow()), {
        actorName: "every",
        every: { interval: EVERY, name: nameOf(fixture), missed: "all", overlap: "allow" },
      });
      const worker = await fixture.work(side);
      await eventually("fire", () => runs.length > 0);
      await worker.stop();
      const count = runs.length;
      const stoppedAt = fixture.now;
      await eventually("miss some", () => fixture.now > stoppedAt + 4 * EVERY);
      assertEquals(runs.length, count);
      await fixture.work(side);
      await eventually("fire again", () => runs.length > count + 5);
      assertEachOnce(runs);
    },
  },

  sendsArguments: {
    rule: "periodic actors get their arguments, and a jitter delays each message by less than that",
    async check(fixture) {
      const started: (PeriodicRun & { at: number })[] = [];
      const side = fixture.open();
      fixture.actor(
        side,
        (_text: string, _list: number[]) => void started.push({ ...runNow(), at: fixture.now }),
        {
          actorName: "every",
          every: {
            interval: EVERY,
            name: nameOf(fixture),
            args: ["ä", [1]],
            jitter: 50,
            overlap: "allow",
          },
        },
      );
      await fixture.work(side);
      await eventually("fire", () => started.length >= 3);
      for (const { args, tick, at } of started) {
        assertEquals(args, ["ä", [1]]);
        assert(at >= tick - 5, "it started before its tick");
      }
    },
  },

  skipsOverlap: {
    rule: 'overlap: "skip" sends nothing while the last message runs, and goes on afterwards',
    async check(fixture) {
      const gate = Promise.withResolvers<void>();
      const runs: PeriodicRun[] = [];
      const [side, other] = [fixture.open(), fixture.open()];
      fixture.actor(side, async () => {
        runs.push(runNow());
        await gate.promise;
      }, { actorName: "every", every: { interval: EVERY, name: nameOf(fixture) } });
      await fixture.work(side);
      const skipped = async () => (await reportOf(fixture, other))?.skipped ?? 0;
      await eventually("skip some", async () => await skipped() >= 3);
      assertEquals(runs.length, 1);
      assertEquals((await reportOf(fixture, other))?.sent, 1);
      gate.resolve();
      await eventually("go on", () => runs.length >= 3);
      assertEquals(new Set(ticksOf(runs)).size, runs.length);
    },
  },

  queuesOverlap: {
    rule: 'overlap: "queue" sends one message when the last one has finished',
    async check(fixture) {
      const gates = Array.from({ length: 50 }, () => Promise.withResolvers<void>());
      const runs: PeriodicRun[] = [];
      let running = 0;
      const [side, other] = [fixture.open(), fixture.open()];
      fixture.actor(side, async () => {
        running += 1;
        assertEquals(running, 1);
        runs.push(runNow());
        await gates[runs.length - 1]!.promise;
        running -= 1;
      }, {
        actorName: "every",
        every: { interval: EVERY, name: nameOf(fixture), overlap: "queue" },
      });
      await fixture.work(side);
      const skipped = async () => (await reportOf(fixture, other))?.skipped ?? 0;
      await eventually("skip some", async () => await skipped() >= 2);
      assertEquals(runs.length, 1);
      const finishedAt = fixture.now;
      gates[0]!.resolve();
      await eventually("run what waits", () => runs.length >= 2);
      // Ticks that came after the one that waited were skipped.
      const [first, second] = runs.map(({ tick }) => tick) as [number, number];
      assertEquals((second - first) % EVERY, 0);
      assert(first < second && second <= finishedAt - 2 * EVERY);
      for (const gate of gates) gate.resolve();
    },
  },

  allowsOverlap: {
    rule: 'overlap: "allow" sends a message while the last one runs',
    async check(fixture) {
      const gate = Promise.withResolvers<void>();
      const runs: PeriodicRun[] = [];
      const side = fixture.open();
      fixture.actor(side, async () => {
        runs.push(runNow());
        await gate.promise;
      }, {
        actorName: "every",
        every: { interval: EVERY, name: nameOf(fixture), overlap: "allow" },
      });
      await fixture.work(side);
      await eventually("run three at once", () => runs.length >= 3);
      gate.resolve();
    },
  },

  retriesBelongToTick: {
    rule: "a message of a schedule that is retried has not finished, and one that failed has",
    async check(fixture) {
      const runs: PeriodicRun[] = [];
      const side = fixture.open();
      fixture.actor(side, () => {
        runs.push(runNow());
        if (runs.length === 1) throw new Retry("later", { delay: 3 * EVERY });
        if (runs.length === 2) throw new Error("failed for good");
      }, {
        actorName: "every",
        maxRetries: 1,
        every: { interval: EVERY, name: nameOf(fixture) },
      });
      await fixture.work(side);
      await eventually("run four times", () => runs.length >= 4);
      const [first, second, third, fourth] = runs;
      assertEquals(second!.messageId, first!.messageId);
      assert(third!.tick > first!.tick && fourth!.tick > third!.tick);
    },
  },

  pausesSchedule: {
    rule: "pauseSchedule sends nothing until resumeSchedule, and what was due then is not made up",
    async check(fixture) {
      const runs: PeriodicRun[] = [];
      const [side, other] = [fixture.open(), fixture.open()];
      const name = nameOf(fixture);
      fixture.actor(side, () => void runs.push(runNow()), {
        actorName: "every",
        every: { interval: EVERY, name, missed: "all", overlap: "allow" },
      });
      await fixture.work(side);
      await eventually("fire", () => runs.length > 0);
      await other.control.pauseSchedule(name, { reason: "maintenance" });
      const before = await reportOf(fixture, other);
      assertEquals([before?.paused, before?.reason], [true, "maintenance"]);
      await eventually("skip some", async () => {
        return (await reportOf(fixture, other))!.skipped >= before!.skipped + 2;
      });
      const paused = await reportOf(fixture, other);
      assertEquals(paused?.lastMessageId, before?.lastMessageId);
      await side.broker.join(fixture.queueName);
      const count = runs.length;
      assertEquals(await other.control.resumeSchedule(name), true);
      await eventually("go on", () => runs.length >= count + 2);
      const ticks = ticksOf(runs);
      assert(ticks[count]! > ticks[count - 1]! + 2 * EVERY, ticks.join());
      assertEquals((await reportOf(fixture, other))?.paused, false);
      assertEquals(await other.control.resumeSchedule(name), false);
    },
  },

  triggersSchedule: {
    rule: "trigger sends the message of a schedule at once, from any process",
    async check(fixture) {
      const runs: PeriodicRun[] = [];
      const [side, other] = [fixture.open(), fixture.open()];
      const name = nameOf(fixture);
      fixture.actor(side, (_text: string) => void runs.push(runNow()), {
        actorName: "every",
        cron: { pattern: "0 0 29 2 *", name, args: ["now"] },
      });
      await fixture.work(side);
      await eventually("be listed", async () => (await reportOf(fixture, other))?.isAlive === true);
      const message = await other.control.trigger(name);
      await eventually("run it", () => runs.length === 1);
      assertEquals([runs[0]!.messageId, runs[0]!.args], [message.messageId, ["now"]]);
      const { cron, timeZone, nextAt, lastAt, sent } = (await reportOf(fixture, other))!;
      assertEquals([cron, timeZone, lastAt, sent], ["0 0 29 2 *", "UTC", undefined, 0]);
      assertEquals(new Date(nextAt!).toISOString().slice(4), "-02-29T00:00:00.000Z");
    },
  },

  refusesUnknownSchedules: {
    rule: "pauseSchedule, resumeSchedule and trigger refuse a name that no worker knows",
    async check(fixture) {
      const { control } = fixture.open();
      for (const verb of ["pauseSchedule", "resumeSchedule", "trigger"] as const) {
        await assertRejects(() => control[verb]("nightly"), RangeError, '"nightly"');
      }
      assertEquals(await control.schedules(), []);
    },
  },

  schedulesPeers: {
    rule: "schedule sends messages to an actor that is declared elsewhere",
    async check(fixture) {
      const kwargs: unknown[] = [];
      const [side, peer] = [fixture.open(), fixture.open()];
      fixture.actor(peer, () => void kwargs.push(currentMessage()!.kwargs), { actorName: "peer" });
      schedule({
        broker: side.broker,
        actorName: "peer",
        queueName: fixture.queueName,
        kwargs: { days: 30 },
        every: { interval: EVERY, name: nameOf(fixture) },
      });
      await fixture.work(side, { queues: [] });
      await fixture.work(peer);
      await eventually("run it", () => kwargs.length >= 2);
      assertEquals(kwargs[0], { days: 30 });
    },
  },

  followsDeploys: {
    rule: "of a periodic actor the definition of the youngest living worker counts",
    async check(fixture) {
      if (fixture.harness.sharesNothing) return; // one broker has one definition
      const runs: PeriodicRun[] = [];
      const name = nameOf(fixture);
      const declare = (args: readonly unknown[], every: number) => {
        const side = fixture.open();
        fixture.actor(side, (_args: unknown) => void runs.push(runNow()), {
          actorName: "every",
          every: { interval: every, name, args, overlap: "allow" },
        });
        return side;
      };
      const [old, young] = [declare(["old"], EVERY), declare(["new"], EVERY + 20)];
      const last = () => runs.at(-1)?.args[0];
      await fixture.work(old);
      await eventually("fire the old one", () => last() === "old");
      const deploy = await fixture.work(young);
      await eventually("fire the new one", () => last() === "new");
      await firesAlone("new", runs);
      await deploy.stop();
      await eventually("fire the old one again", () => last() === "old");
      await firesAlone("old", runs);
    },
  },
};

/** Waits until one definition fires alone: the last five runs are all of it. */
async function firesAlone(args: string, runs: readonly PeriodicRun[]): Promise<void> {
  await eventually(`fire the ${args} one alone`, () => {
    return runs.length >= 5 && runs.slice(-5).every((run) => run.args[0] === args);
  });
}
