import { escapeLabel } from "../../platform/gauges.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { type DelayedRow, type Row, ZEROS_INDEX } from "./counts.ts";
import { ALL_ZEROS, DURATION_BOUNDS, ZERO_COUNTERS, ZERO_REJECTS, type Zeros } from "./series.ts";

/** A number that each series has. */
interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  /** Index in a row. */
  readonly index: number;
  /** A series serves zeros of it from here on. */
  readonly zeros: Zeros;
}

/** Names and types come from `tests/vectors/metrics.json`; those of cancelled and snoozed messages are ours. */
const FAMILIES: readonly Family[] = [
  {
    name: "dramatiq_messages_total",
    type: "counter",
    help: "Runs that have ended, failed and skipped ones included",
    index: 3,
    zeros: ZERO_COUNTERS,
  },
  {
    name: "dramatiq_message_retries_total",
    type: "counter",
    help: "Retries that were stored",
    index: 5,
    zeros: ZERO_COUNTERS,
  },
  {
    name: "dramatiq_message_errors_total",
    type: "counter",
    help: "Runs that have ended with an error",
    index: 4,
    zeros: ZERO_COUNTERS,
  },
  {
    name: "dramatiq_message_rejects_total",
    type: "counter",
    help: "Messages that went to the dead letters",
    index: 6,
    zeros: ZERO_REJECTS,
  },
  {
    name: "dramatiq_messages_inprogress",
    type: "gauge",
    help: "Messages that are being worked on",
    index: 7,
    zeros: ALL_ZEROS,
  },
  {
    name: "dramatiq_cancelled_messages_total",
    type: "counter",
    help: "Messages that were cancelled before they ran, or while they did",
    index: 8,
    zeros: ALL_ZEROS,
  },
  {
    name: "dramatiq_snoozed_messages_total",
    type: "counter",
    help: "Runs that have ended with a snooze",
    index: 9,
    zeros: ALL_ZEROS,
  },
];

const DURATION_INDEX = 10;
const FIRST_BUCKET = 11;

const DURATION = "dramatiq_message_duration_milliseconds";
const DELAYED = "dramatiq_delayed_messages_inprogress";

/**
 * Bounds as Python writes them. A sum over workers of both languages, `by (le)`, needs the same
 * text.
 */
const BOUND_LABELS: readonly string[] = [
  .../* @__PURE__ */ DURATION_BOUNDS.map((bound) => bound.toFixed(1)),
  "+Inf",
];

/** Number of series that are written in one turn of the event loop: a few milliseconds. */
const SLICE = 500;

/**
 * Writes series in the text format of Prometheus, a piece at a time: timers and sockets have their
 * turn between two pieces, however many series there are.
 *
 * @param series The series.
 * @param delayed Delayed messages by process.
 * @returns Pieces of the text; all families, including those without a sample.
 */
export async function* expositionOf(
  series: readonly Row[],
  delayed: readonly DelayedRow[],
): AsyncGenerator<string, void, undefined> {
  for (const { name, type, help, index, zeros } of FAMILIES) {
    yield head(name, type, help);
    // An actor that is not declared has rejects only.
    yield* slices(series, (row) => {
      if (row[index] === 0 && row[ZEROS_INDEX] < zeros) return "";
      return `${name}{${labelsOf(row)}} ${row[index]}\n`;
    });
  }
  yield head(DURATION, "histogram", "How long runs took, in milliseconds");
  yield* slices(series, (row) => row[ZEROS_INDEX] < ALL_ZEROS ? "" : durationsOf(row));
  yield head(
    DELAYED,
    "gauge",
    "Delayed messages in the memory of workers, on their way to their queues",
  );
  yield* slices(delayed, ([actor, queue, pid, value]) => {
    return `${DELAYED}{${labelsOf([actor, queue])},pid="${escapeLabel(pid)}"} ${value}\n`;
  });
}

async function* slices<T>(
  rows: readonly T[],
  write: (row: T) => string,
): AsyncGenerator<string, void, undefined> {
  for (let i = 0; i < rows.length; i += SLICE) {
    if (i > 0) await nextTurn();
    const text = rows.slice(i, i + SLICE).map(write).join("");
    if (text !== "") yield text;
  }
}

function head(name: string, type: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function durationsOf(row: Row): string {
  const labels = labelsOf(row);
  let count = 0;
  const lines = BOUND_LABELS.map((bound, bucket) => {
    count += row[FIRST_BUCKET + bucket] as number;
    return `${DURATION}_bucket{${labels},le="${bound}"} ${count}\n`;
  });
  lines.push(`${DURATION}_sum{${labels}} ${row[DURATION_INDEX]}\n`);
  lines.push(`${DURATION}_count{${labels}} ${count}\n`);
  return lines.join("");
}

function labelsOf([actorName, queueName]: readonly [string, string, ...unknown[]]): string {
  return `actor_name="${escapeLabel(actorName)}",queue_name="${escapeLabel(queueName)}"`;
}
