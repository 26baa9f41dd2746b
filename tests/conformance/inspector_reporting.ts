import process from "node:process";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { actor, type Inspector } from "@dq/dramatiq";
import { readGauges } from "../../control/broker_gauges.ts";
import { gaugesText } from "../../platform/gauges.ts";
import { readExposition } from "../middleware/prometheus/exposition_text.ts";
import { eventually } from "../support/servers/until.ts";
import type { Rules } from "./inspector_harness.ts";

/** Rules of the reports of workers. */
export const reporting: Rules = {
  reports: {
    rule: "workers tells what each worker runs, since when, until it stops",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "workers")) return;
      const release = Promise.withResolvers<void>();
      const hang = actor(() => release.promise, {
        broker,
        queueName: fixture.queueName,
        actorName: "hang",
      });
      const worker = await fixture.work(broker, { concurrency: 3 });
      const report = async () =>
        (await inspector.workers()).find(({ id }) => id === worker.id && id !== undefined);
      const sent = await hang.send();
      await eventually("report what runs", async () => (await report())?.running === 1);
      const found = (await report())!;
      assertEquals(
        [found.hasReport, found.pid, found.concurrency, found.state, [...found.queues]],
        [true, process.pid, 3, "working", [fixture.queueName]],
      );
      assert(Math.abs(found.bootedAt - Date.now()) < 60_000 && found.seenAt >= found.bootedAt);
      assert(found.runtime !== undefined && found.version !== undefined && found.rss! > 1e6);
      const [{ messageId, actorName, queueName, attempt, since }] = found.messages as [
        (typeof found.messages)[0],
      ];
      assertEquals(
        [messageId, actorName, queueName, attempt],
        [sent.messageId, "hang", fixture.queueName, 1],
      );
      assert(Math.abs(since - Date.now()) < 60_000);
      if (fixture.can(inspector, "find")) {
        const running = (await inspector.find(messageId)).running;
        assertEquals(running.map(({ worker: { id } }) => id), [worker.id]);
      }
      release.resolve();
      await eventually("count it", async () => (await report())?.actors["hang"]?.done === 1);
      worker.pause();
      await eventually("be quiet", async () => (await report())?.state === "quiet");
      await worker.stop();
      assertEquals(await report(), undefined);
    },
  },

  countsByActor: {
    rule: "workers and history count messages by actor and outcome",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "workers")) return;
      const { queueName } = fixture;
      const fail = actor(() => {
        throw new RangeError("always");
      }, { broker, queueName, actorName: "fail", maxRetries: 1, minBackoff: 1, maxBackoff: 1 });
      const work = actor(() => {}, { broker, queueName, actorName: "work" });
      const worker = await fixture.work(broker);
      for (let i = 0; i < 3; i++) await work.send();
      await fail.send();
      const expected = {
        fail: { done: 0, failed: 2, retried: 1, dead: 1 },
        work: { done: 3, failed: 0, retried: 0, dead: 0 },
      };
      const sorted = (counts: object) => JSON.stringify(Object.entries(counts).toSorted());
      await eventually("report the counts", async () => {
        const report = (await inspector.workers()).find(({ id }) => id === worker.id);
        return report !== undefined && sorted(report.actors) === sorted(expected);
      });
      if (!fixture.can(inspector, "history")) return;
      await worker.stop(); // what is not stored yet is stored at the latest now
      await eventually(
        "be in the history",
        async () => sorted(await sumOf(inspector)) === sorted(expected),
      );
    },
  },

  staysSilent: {
    rule: "workers has no report of a worker that is to make none",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      if (!fixture.can(inspector, "workers")) return;
      const worker = await fixture.work(broker, { report: false });
      const other = await fixture.work(broker);
      await eventually(
        "hear of the other",
        async () => (await inspector.workers()).some(({ id }) => id === other.id),
      );
      const reports = (await inspector.workers()).filter(({ hasReport }) => hasReport);
      assertEquals(reports.filter(({ id }) => id === worker.id), []);
    },
  },

  gauges: {
    rule: "gauges of the broker tell what its queues hold, who works, and what runs",
    async check(fixture) {
      const { broker, inspector } = fixture.open();
      const { queueName } = fixture;
      const release = Promise.withResolvers<void>();
      const actorName = `hang_${queueName}`;
      const hang = actor(() => release.promise, { broker, queueName, actorName });
      const worker = await fixture.work(broker, { concurrency: 3 });
      const read = async () => {
        const gauges = await readGauges(broker, inspector, {
          signal: new AbortController().signal,
          leftOut: (error) => {
            throw error;
          },
        });
        return readExposition(gaugesText(gauges)).samples;
      };
      await hang.send();
      await hang.sendWithOptions({ delay: 600_000 });
      const running = `dramatiq_running_oldest_seconds{actor_name="${actorName}"}`;
      const delayed = `dramatiq_queue_messages{queue_name="${queueName}",state="delayed"}`;
      let samples = await read();
      await eventually("tell what runs", async () => {
        samples = await read();
        return samples.has(running) && samples.get(delayed) === 1;
      });
      assert(samples.get('dramatiq_workers{state="working"}')! >= 1);
      assert(samples.get("dramatiq_worker_slots{}")! >= 3);
      assert(samples.get("dramatiq_worker_slots_in_use{}")! >= 1);
      const oldest = samples.get(`dramatiq_queue_oldest_seconds{queue_name="${queueName}"}`);
      assertEquals(oldest, fixture.can(inspector, "headAge") ? 0 : undefined);
      release.resolve();
      await worker.stop();
    },
  },

  limitsHistory: {
    rule: "history has an hour at most",
    async check(fixture) {
      const { inspector } = fixture.open();
      await assertRejects(() => inspector.history(61), RangeError, "61");
      if (!fixture.can(inspector, "history")) return;
      const minutes = await inspector.history(60);
      assertEquals(minutes.length, 60);
      assert(minutes.every(({ at }, i) => i === 0 || at - minutes[i - 1]!.at === 60_000));
    },
  },
};

async function sumOf(inspector: Inspector): Promise<Record<string, Record<string, number>>> {
  const sum: Record<string, Record<string, number>> = {};
  for (const { actors } of await inspector.history(5)) {
    for (const [name, counts] of Object.entries(actors)) {
      const total = sum[name] ??= { done: 0, failed: 0, retried: 0, dead: 0 };
      for (const [key, count] of Object.entries(counts)) total[key]! += count;
    }
  }
  return sum;
}
