import { processId } from "../../core/runtime.ts";
import { delayQueueName } from "../../core/queue_names.ts";
import type { Metric, Sample } from "./metric.ts";
import { DURATION_BOUNDS, type Series } from "./series.ts";

/** A number that each series has. */
interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  read(series: Series): number;
}

/** Names and types are those of `tests/vectors/metrics.json`. */
const FAMILIES: readonly Family[] = [
  {
    name: "dramatiq_messages_total",
    type: "counter",
    help: "Runs that have ended, failed and skipped ones included",
    read: (series) => series.messages,
  },
  {
    name: "dramatiq_message_retries_total",
    type: "counter",
    help: "Retries that were stored",
    read: (series) => series.retries,
  },
  {
    name: "dramatiq_message_errors_total",
    type: "counter",
    help: "Runs that have ended with an error",
    read: (series) => series.errors,
  },
  {
    name: "dramatiq_message_rejects_total",
    type: "counter",
    help: "Messages that went to the dead letters",
    read: (series) => series.rejects,
  },
  {
    name: "dramatiq_messages_inprogress",
    type: "gauge",
    help: "Messages that are being worked on",
    read: (series) => series.inProgress,
  },
];

const DURATION = "dramatiq_message_duration_milliseconds";
const DELAYED = "dramatiq_delayed_messages_inprogress";

/**
 * Bounds as Python writes them. A sum over workers of both languages, `by (le)`, needs them
 * to be the same text.
 */
const BOUND_LABELS: readonly string[] = [
  ...DURATION_BOUNDS.map((bound) => bound.toFixed(1)),
  "+Inf",
];

/**
 * Gives series the form in which they are served.
 *
 * @param all The series of a process.
 * @returns All families, those without a sample among them.
 */
export function toMetrics(all: readonly Series[]): Metric[] {
  return [
    ...FAMILIES.map((family) => ({
      name: family.name,
      help: family.help,
      type: family.type,
      aggregator: "sum",
      values: all.flatMap((series) => sampleOf(series, family)),
    })),
    {
      name: DURATION,
      help: "How long runs took, in milliseconds",
      type: "histogram",
      aggregator: "sum",
      values: all.filter(({ hasBegun }) => hasBegun).flatMap(durationsOf),
    },
    {
      name: DELAYED,
      help: "Delayed messages in the memory of workers, on their way to their queues",
      type: "gauge",
      aggregator: "sum",
      values: all.filter(({ hasDelayed }) => hasDelayed).map((series) => ({
        value: series.delayed,
        labels: {
          actor_name: series.actorName,
          queue_name: delayQueueName(series.queueName),
          pid: String(processId()),
        },
      })),
    },
  ];
}

/**
 * A zero is told of what has begun: Prometheus sees no increase from nothing to 1. Of
 * an actor that is not declared there is nothing to tell but its rejects.
 */
function sampleOf(series: Series, { read }: Family): Sample[] {
  const value = read(series);
  return value === 0 && !series.hasBegun ? [] : [{ value, labels: labelsOf(series) }];
}

function durationsOf(series: Series): Sample[] {
  const labels = labelsOf(series);
  let count = 0;
  const buckets = series.durations.map((runs, bucket): Sample => {
    count += runs;
    return {
      metricName: `${DURATION}_bucket`,
      value: count,
      labels: { ...labels, le: BOUND_LABELS[bucket]! },
    };
  });
  return [
    ...buckets,
    { metricName: `${DURATION}_sum`, value: series.duration, labels },
    { metricName: `${DURATION}_count`, value: count, labels },
  ];
}

function labelsOf({ actorName, queueName }: Series): Sample["labels"] {
  return { actor_name: actorName, queue_name: queueName };
}
