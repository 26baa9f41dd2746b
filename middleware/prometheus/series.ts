import type { Broker } from "../../core/broker.ts";
import { canonicalQueueName } from "../../core/queue_names.ts";
import { toLabelValue } from "../../platform/gauges.ts";

/**
 * Upper bounds of the buckets for durations, in milliseconds; one more holds the rest.
 *
 * Source: `tests/vectors/metrics.json`.
 */
export const DURATION_BOUNDS: readonly number[] = [
  5,
  10,
  25,
  50,
  75,
  100,
  250,
  500,
  750,
  1_000,
  2_500,
  5_000,
  7_500,
  10_000,
  30_000,
  60_000,
  600_000,
  900_000,
];

/**
 * Most series with undeclared names. Names of messages come from outside: otherwise any sender
 * could fill the memory of workers and of Prometheus with them.
 */
const MAX_STRANGE = 100;
/** Label of all further actors and queues. */
const OTHERS = "(others)";

/** Numbers that a series serves even while they are 0. A greater kind includes the smaller ones. */
export type Zeros = 0 | typeof ZERO_REJECTS | typeof ZERO_COUNTERS | typeof ALL_ZEROS;

/** The number of dead letters. */
export const ZERO_REJECTS = 1;
/** The counters that alerts use. */
export const ZERO_COUNTERS = 2;
/** All numbers. */
export const ALL_ZEROS = 3;

/**
 * Metrics of one actor on one queue.
 *
 * They are plain numbers that become metrics only when they are requested: counters of prom-client
 * join labels to a text at each call to look them up.
 */
export class Series {
  /** The actor. */
  readonly actorName: string;
  /** The queue, never its delay queue. */
  readonly queueName: string;
  /** Runs that have ended, including skipped ones. */
  messages = 0;
  /** Runs that have ended with an error. */
  errors = 0;
  /** Retries that were stored. */
  retries = 0;
  /** Messages that went to the dead letters. */
  rejects = 0;
  /** Messages that were cancelled. */
  cancelled = 0;
  /** Messages that were snoozed. */
  snoozed = 0;
  /** Messages in progress. */
  inProgress = 0;
  /** Delayed messages on their way to the queue. */
  delayed = 0;
  /** All numbers once a message has started: before, the series has no runs. */
  zeros: Zeros = 0;
  /** True if any message was delayed. */
  hasDelayed = false;
  /** Total duration of all runs in milliseconds. */
  duration = 0;
  /** Number of runs in each bucket; the last one is for runs above all bounds. */
  readonly durations: number[] = new Array(DURATION_BOUNDS.length + 1).fill(0);

  constructor(actorName: string, queueName: string) {
    this.actorName = actorName;
    this.queueName = queueName;
  }

  /** Counts a run that has ended, and its duration in milliseconds. */
  ended(ms: number): void {
    this.messages += 1;
    this.zeros = ALL_ZEROS;
    this.duration += ms;
    let bucket = 0;
    while (bucket < DURATION_BOUNDS.length && ms > DURATION_BOUNDS[bucket]!) bucket += 1;
    this.durations[bucket]! += 1;
  }
}

/** All series of a process, by actor and queue. */
export class SeriesTable {
  /** Grows with each change of any of them. */
  changes = 0;
  /** By actor, then by the queue as messages name it. */
  readonly #byActor: Map<string, Map<string, Series>> = new Map();
  readonly #all: Series[] = [];
  #others: Series | undefined;
  #strange = 0;

  /** All series. */
  get all(): readonly Series[] {
    return this.#all;
  }

  /**
   * Finds the series of a message before a change, or creates it.
   *
   * @param broker Knows the declared actors and queues.
   * @param message Names an actor and a queue.
   * @returns Its series. Beyond a number of undeclared names, one for all others.
   */
  of(broker: Broker, message: { actorName: string; queueName: string }): Series {
    this.changes += 1;
    const { actorName, queueName } = message;
    return this.#find(actorName, queueName) ?? this.#findOrMake(broker, actorName, queueName);
  }

  /**
   * Serves zeros for names that are declared: Prometheus sees no increase in a counter that it first
   * finds above 0.
   *
   * @param actorName The actor.
   * @param queueName The queue.
   * @param zeros The numbers.
   */
  declare(actorName: string, queueName: string, zeros: Zeros): void {
    this.changes += 1;
    const names = [toLabelValue(actorName), toLabelValue(queueName)] as const;
    const series = this.#find(...names) ?? this.#make(...names);
    if (series.zeros < zeros) series.zeros = zeros;
  }

  #find(actorName: string, queueName: string): Series | undefined {
    return this.#byActor.get(actorName)?.get(queueName);
  }

  #findOrMake(broker: Broker, actorName: string, queueName: string): Series {
    // Two names may have one label, and two series with the same labels spoil the whole scrape.
    const names = [toLabelValue(actorName), toLabelValue(queueName)] as const;
    const found = this.#find(...names);
    if (found !== undefined) return found;
    const isDeclared = broker.actors.has(actorName) &&
      broker.queues.has(canonicalQueueName(queueName));
    if (!isDeclared && this.#strange >= MAX_STRANGE) {
      return this.#others ??= this.#add(new Series(OTHERS, OTHERS));
    }
    if (!isDeclared) this.#strange += 1;
    return this.#make(...names);
  }

  #make(actorName: string, queueName: string): Series {
    const canonical = canonicalQueueName(queueName);
    let queues = this.#byActor.get(actorName);
    if (queues === undefined) this.#byActor.set(actorName, queues = new Map());
    const series = queues.get(canonical) ?? this.#add(new Series(actorName, canonical));
    queues.set(canonical, series);
    queues.set(queueName, series);
    return series;
  }

  #add(series: Series): Series {
    this.#all.push(series);
    return series;
  }
}
