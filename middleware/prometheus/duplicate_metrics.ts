import type { OnDuplicate } from "../../core/unique.ts";
import type { Metric } from "./metric.ts";

/**
 * Metrics of the unique messages that this process did not send.
 *
 * @param duplicates The counts, by actor.
 * @returns The family; none if there was no duplicate.
 */
export function duplicateMetrics(
  duplicates: ReadonlyMap<string, Readonly<Record<OnDuplicate, number>>> | undefined,
): Metric[] {
  if (duplicates === undefined || duplicates.size === 0) return [];
  return [{
    name: "dramatiq_duplicate_messages_total",
    help: "Messages that were not sent, since one with the same unique key was there",
    type: "counter",
    aggregator: "sum",
    values: Array.from(duplicates, ([actor, counts]) => [
      { value: counts.keep, labels: { actor, action: "keep" } },
      { value: counts.replace, labels: { actor, action: "replace" } },
      { value: counts.throw, labels: { actor, action: "throw" } },
    ]).flat().filter(({ value }) => value > 0),
  }];
}
