import process from "node:process";
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Worker } from "@dq/dramatiq";
import { eventually } from "../support/servers/until.ts";
import type { Rules } from "./broker_control_harness.ts";

/** Waits until a worker has heard that these queues are paused, and no others. */
async function heard(worker: Worker, ...queueNames: string[]): Promise<void> {
  const wanted = queueNames.toSorted().join();
  await eventually(
    `hear that ${wanted || "no queue"} is paused`,
    () => worker.pausedQueues.toSorted().join() === wanted,
  );
}

/** Rules of a pause. */
export const pausing: Rules = {
  pausesQueue: {
    rule: "pause has a queue start nothing, while others go on, until resume",
    async check(fixture) {
      const [side, other] = [fixture.open(), fixture.open()];
      const { queueName } = fixture;
      const free = `${queueName}_free`;
      const ran: number[] = [];
      const count = fixture.actor(side, (n: number) => void ran.push(n), { actorName: "count" });
      const pass = fixture.actor(side, () => {}, { actorName: "pass", queueName: free });
      const worker = await fixture.work(side);
      await side.fates.of(await count.send(0));
      await other.control.pause({ queue: queueName }, { reason: "maintenance" });
      await heard(worker, queueName);
      const messages = await count.sendMany([[1], [2], [3]]);
      for (let i = 0; i < 5; i++) await side.fates.of(await pass.send());
      assertEquals(ran, [0]);
      const [paused, ...more] = await side.control.paused();
      assertEquals([paused?.queue, paused?.reason, paused?.until, more.length], [
        queueName,
        "maintenance",
        undefined,
        0,
      ]);
      assertEquals(await other.control.resume({ queue: queueName }), true);
      for (const message of messages) assertEquals(await side.fates.of(message), ["ack"]);
      assertEquals(ran.toSorted(), [0, 1, 2, 3]);
      assertEquals(await side.control.paused(), []);
      assertEquals(await side.control.resume({ queue: queueName }), false);
    },
  },

  pausesPrefetched: {
    rule: "pause lets what runs come to its end, and gives back what was prefetched",
    async check(fixture) {
      const side = fixture.open();
      const { queueName } = fixture;
      const gate = Promise.withResolvers<void>();
      const started = Promise.withResolvers<void>();
      const ran: number[] = [];
      const hold = fixture.actor(side, async () => {
        started.resolve();
        await gate.promise;
      }, { actorName: "hold" });
      const count = fixture.actor(side, (n: number) => void ran.push(n), { actorName: "count" });
      const holding = await hold.send();
      const messages = await count.sendMany([[1], [2]]);
      const worker = await fixture.work(side, { concurrency: 1 });
      await started.promise;
      await side.control.pause({ queue: queueName });
      await heard(worker, queueName);
      gate.resolve();
      assertEquals(await side.fates.of(holding), ["ack"]);
      await eventually("give back what was prefetched", () => worker.outcomes.done === 1);
      assertEquals(ran, []);
      await side.control.resume({ queue: queueName });
      for (const message of messages) assertEquals(await side.fates.of(message), ["ack"]);
      assertEquals(ran.toSorted(), [1, 2]);
    },
  },

  pausesAtBoot: {
    rule: "pause applies to a worker that starts later before it receives anything",
    async check(fixture) {
      const side = fixture.open();
      const { queueName } = fixture;
      const ran: number[] = [];
      const count = fixture.actor(side, (n: number) => void ran.push(n), { actorName: "count" });
      const pass = fixture.actor(side, () => {}, {
        actorName: "pass",
        queueName: `${queueName}_free`,
      });
      const message = await count.send(1);
      await side.control.pause({ queue: queueName });
      const worker = await fixture.work(side);
      for (let i = 0; i < 5; i++) await side.fates.of(await pass.send());
      assertEquals([worker.pausedQueues, ran], [[queueName], []]);
      await side.control.resume({ queue: queueName });
      await side.fates.of(message);
      assertEquals(ran, [1]);
    },
  },

  pausesDelayed: {
    rule: "pause keeps a delayed message on its queue when its time comes",
    async check(fixture) {
      const side = fixture.open();
      const { queueName } = fixture;
      const ran: number[] = [];
      const count = fixture.actor(side, (n: number) => void ran.push(n), { actorName: "count" });
      let isMoved = false;
      side.broker.addMiddleware({ afterDelayMessage: () => void (isMoved = true) });
      await side.control.pause({ queue: queueName });
      const worker = await fixture.work(side);
      await heard(worker, queueName);
      const message = await count.sendWithOptions({ args: [1], delay: 10 });
      await eventually("move it", () => isMoved);
      assertEquals(ran, []);
      await side.control.resume({ queue: queueName });
      await eventually("run it", () => ran.length === 1);
      await side.fates.of(message);
    },
  },

  pausesActor: {
    rule: "pause of an actor has it start nothing, while others of its queue go on, until resume",
    async check(fixture) {
      const [side, other] = [fixture.open(), fixture.open()];
      const ran: number[] = [];
      const gate = Promise.withResolvers<void>();
      const started = Promise.withResolvers<void>();
      const count = fixture.actor(side, (n: number) => void ran.push(n), { actorName: "count" });
      const pass = fixture.actor(side, () => {}, { actorName: "pass" });
      const hold = fixture.actor(side, async () => {
        started.resolve();
        await gate.promise;
      }, { actorName: "hold" });
      await hold.send();
      const prefetched = await count.send(0);
      const worker = await fixture.work(side, { concurrency: 1 });
      await started.promise;
      await other.control.pause({ actor: "count" }, { reason: "maintenance" });
      assertEquals((await side.fates.of(prefetched))[0], "retried"); // while all places are taken
      assertEquals(worker.pausedActors, ["count"]);
      gate.resolve();
      const messages = await count.sendMany([[1], [2], [3]]);
      for (let i = 0; i < 5; i++) await side.fates.of(await pass.send());
      for (const message of messages) await side.fates.of(message);
      assertEquals(ran, []);
      const [paused, ...more] = await side.control.paused();
      assertEquals([paused?.actor, paused?.queue, paused?.reason, more], [
        "count",
        undefined,
        "maintenance",
        [],
      ]);
      assertEquals(await side.control.resume({ actor: count }), true);
      await eventually("run all", () => ran.length >= 4);
      await side.broker.join(fixture.queueName, { timeout: 30_000 });
      assertEquals(ran.toSorted(), [0, 1, 2, 3]);
      assertEquals([await other.control.resume({ actor: count }), worker.pausedActors], [
        false,
        [],
      ]);
    },
  },

  pausesUnique: {
    rule: "pause of an actor applies at boot, its messages keep their claims, and it ends in time",
    async check(fixture) {
      const side = fixture.open();
      const started: number[] = [];
      const note = fixture.actor(side, () => void started.push(fixture.now), {
        actorName: "note",
        unique: { until: "started" },
      });
      // Paused for long first: on a busy machine a short pause may be over before it is seen.
      await side.control.pause({ actor: note }, { until: new Date(fixture.now + 600_000) });
      const message = await note.send();
      await fixture.work(side);
      assertEquals((await side.fates.of(message))[0], "retried");
      const again = await note.send();
      assertEquals([again.isDuplicate, again.messageId], [true, message.messageId]);
      const until = fixture.now + 600;
      await side.control.pause({ actor: note }, { until });
      await eventually("run it", () => started.length > 0);
      await side.broker.join(fixture.queueName, { timeout: 30_000 });
      assertEquals(started.length, 1);
      // Timers of some runtimes are a millisecond early.
      assert(started[0]! >= until - 5, `it started ${until - started[0]!} ms early`);
    },
  },

  resumesByItself: {
    rule: "pause until a time ends by itself then, and not before",
    async check(fixture) {
      const side = fixture.open();
      const { queueName } = fixture;
      const started: number[] = [];
      const note = fixture.actor(side, () => void started.push(fixture.now), { actorName: "note" });
      const worker = await fixture.work(side);
      // Paused for long first: on a busy machine a short pause may be over before it is seen.
      await side.control.pause({ queue: queueName }, { until: fixture.now + 600_000 });
      await heard(worker, queueName);
      const until = fixture.now + 600;
      await side.control.pause({ queue: queueName }, { until });
      const message = await note.send();
      await side.fates.of(message);
      // Timers of some runtimes are a millisecond early.
      assert(started[0]! >= until - 5, `it started ${until - started[0]!} ms early`);
      assertEquals(worker.pausedQueues, []);
    },
  },

  losesNothing: {
    rule: "pause and resume in quick succession lose nothing, and run nothing twice",
    async check(fixture) {
      const [side, other] = [fixture.open(), fixture.open()];
      const { queueName } = fixture;
      const ran: number[] = [];
      const count = fixture.actor(side, async (n: number) => {
        await Promise.resolve();
        ran.push(n);
      }, { actorName: "count" });
      const numbers = Array.from({ length: 300 }, (_, i) => i);
      await fixture.work(side, { concurrency: 2 });
      const toggling = (async () => {
        for (let i = 0; i < 20; i++) {
          await other.control.pause({ queue: queueName });
          await other.control.resume({ queue: queueName });
        }
      })();
      await count.sendMany(numbers.map((n): [number] => [n]));
      await toggling;
      await eventually("run all", () => ran.length >= numbers.length);
      await side.broker.join(queueName, { timeout: 30_000 });
      assertEquals(ran.toSorted((a, b) => a - b), numbers);
    },
  },

  listsWorkers: {
    rule: "workers lists who is alive, with queues and concurrency, until it stops",
    async check(fixture) {
      const [side, other] = [fixture.open(), fixture.open()];
      const worker = await fixture.work(side, { concurrency: 3 });
      const report = async () => (await other.control.workers()).find(({ id }) => id === worker.id);
      await eventually("be listed", async () => await report() !== undefined);
      const { queues, concurrency, pid, bootedAt, seenAt } = (await report())!;
      assertEquals([queues, concurrency, pid], [[fixture.queueName], 3, process.pid]);
      assert(Math.abs(bootedAt - fixture.now) < 60_000 && seenAt >= bootedAt);
      await worker.stop();
      assertEquals(await report(), undefined);
    },
  },

  pausesWorker: {
    rule:
      "pause of a worker has it start nothing, while what runs ends and others go on, until resume",
    async check(fixture) {
      const side = fixture.open();
      const ran: number[] = [];
      const count = fixture.actor(side, (n: number) => void ran.push(n), { actorName: "count" });
      const worker = await fixture.work(side);
      await side.fates.of(await count.send(0));
      const target = { worker: worker.id! };
      await side.control.pause(target, { reason: "to be replaced" });
      await eventually("be quiet", () => worker.state === "paused");
      assertEquals(await side.control.paused(), [], "no queue is paused");
      const message = await count.send(1);
      await side.control.pause({ worker: "another" });
      assertEquals(await side.control.resume({ worker: "another" }), true);
      assertEquals([worker.state, ran], ["paused", [0]]);
      assertEquals(await side.control.resume(target), true);
      assertEquals(await side.fates.of(message), ["ack"]);
      assertEquals([worker.state, ran], ["running", [0, 1]]);
      assertEquals(await side.control.resume(target), false);
    },
  },

  refusesPausing: {
    rule: "pause and resume refuse what makes no sense",
    async check(fixture) {
      const { control } = fixture.open();
      const queue = fixture.queueName;
      await assertRejects(() => control.pause({ queue: "a b" }), TypeError, "a b");
      await assertRejects(() => control.pause({}), TypeError, "name either a queue, an actor or");
      await assertRejects(() => control.pause({ queue, actor: "a" }), TypeError, "name either");
      await assertRejects(() => control.pause({ actor: "" }), TypeError, 'actor ""');
      await assertRejects(() => control.resume({ actor: {} as { actorName: string } }), TypeError);
      await assertRejects(() => control.resume({ queue: "" }), TypeError);
      await assertRejects(
        () => control.pause({ queue }, { until: 1 }),
        RangeError,
        "in the future",
      );
      await assertRejects(() => control.pause({ queue }, { until: NaN }), RangeError, "NaN");
      await assertRejects(() => control.pause({ queue }, { untl: 1 } as object), TypeError, "untl");
      const both = { queue, worker: "w" };
      await assertRejects(() => control.pause(both), TypeError, "name either");
      await assertRejects(() => control.pause({ worker: "" }), TypeError, "it needs an id");
      const until = fixture.now + 60_000;
      await assertRejects(
        () => control.pause({ worker: "w" }, { until }),
        TypeError,
        "do not resume",
      );
      assertEquals(await control.paused(), []);
    },
  },
};
