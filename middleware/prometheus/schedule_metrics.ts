import { LATE_BOUNDS, type ScheduleCounts } from "../../core/schedule_registry.ts";
import type { Metric, Sample } from "./metric.ts";

/**
 * Metrics of what this process has done for schedules.
 *
 * @param counts The counts, by the names of schedules.
 * @returns The families; none if nothing was done.
 */
export function scheduleMetrics(counts: ReadonlyMap<string, Readonly<ScheduleCounts>>): Metric[] {
  if (counts.size === 0) return [];
  const samples = (of: (counts: Readonly<ScheduleCounts>) => number): Sample[] =>
    Array.from(counts, ([schedule, one]) => ({ value: of(one), labels: { schedule } }));
  return [
    {
      name: "dramatiq_schedule_fired_total",
      help: "Messages that schedules have sent",
      type: "counter",
      aggregator: "sum",
      values: samples(({ sent }) => sent),
    },
    {
      name: "dramatiq_schedule_skipped_total",
      help: "Times of schedules that were skipped",
      type: "counter",
      aggregator: "sum",
      values: samples(({ skipped }) => skipped),
    },
    {
      name: "dramatiq_schedule_late_seconds",
      help: "How late messages of schedules were sent",
      type: "histogram",
      aggregator: "sum",
      values: Array.from(counts, ([schedule, one]) => lateSamples(schedule, one)).flat(),
    },
  ];
}

function lateSamples(schedule: string, { late, lateSeconds, sent }: ScheduleCounts): Sample[] {
  const name = "dramatiq_schedule_late_seconds";
  let total = 0;
  const buckets = [...LATE_BOUNDS, "+Inf"].map((le, i) => {
    total += late[i]!;
    return { value: total, labels: { le, schedule }, metricName: `${name}_bucket` };
  });
  return [
    ...buckets,
    { value: lateSeconds, labels: { schedule }, metricName: `${name}_sum` },
    { value: sent, labels: { schedule }, metricName: `${name}_count` },
  ];
}
