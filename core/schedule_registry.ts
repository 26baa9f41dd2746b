import { fault, type Schedule, show } from "./schedules.ts";

/** Counters of one schedule in this process. */
export interface ScheduleCounts {
  /** Messages that it has sent. */
  sent: number;
  /** Ticks that it has skipped. */
  skipped: number;
  /** Total lateness of its messages, in seconds. */
  lateSeconds: number;
  /** Number of messages by how late they were: up to each of {@linkcode LATE_BOUNDS}, and later. */
  readonly late: number[];
}

/** Seconds, for {@linkcode ScheduleCounts.late}. */
export const LATE_BOUNDS: readonly number[] = [0.01, 0.05, 0.25, 1, 5, 30, 300];

/** The schedules that are declared on one broker, by name. */
export class ScheduleRegistry {
  readonly #schedules: Map<string, Schedule> = new Map();
  readonly #listeners: Set<() => void> = new Set();
  readonly #counts: Map<string, ScheduleCounts> = new Map();

  /** Counters of this process, by the names of schedules. */
  get counts(): ReadonlyMap<string, Readonly<ScheduleCounts>> {
    return this.#counts;
  }

  /** Counts a message that was sent, and the milliseconds by which it was late. */
  sent(name: string, late: number): void {
    const counts = this.#countsOf(name);
    counts.sent += 1;
    counts.lateSeconds += late / 1_000;
    const bucket = LATE_BOUNDS.findIndex((bound) => late <= bound * 1_000);
    counts.late[bucket === -1 ? LATE_BOUNDS.length : bucket]! += 1;
  }

  /** Counts a tick that was skipped. */
  skipped(name: string): void {
    this.#countsOf(name).skipped += 1;
  }

  #countsOf(name: string): ScheduleCounts {
    let counts = this.#counts.get(name);
    if (counts === undefined) {
      const late = Array<number>(LATE_BOUNDS.length + 1).fill(0);
      this.#counts.set(name, counts = { sent: 0, skipped: 0, lateSeconds: 0, late });
    }
    return counts;
  }

  /** Number of schedules. */
  get size(): number {
    return this.#schedules.size;
  }

  /** All of them, in the order in which they were declared. */
  get all(): Schedule[] {
    return [...this.#schedules.values()];
  }

  /** Finds one by its name. */
  get(name: string): Schedule | undefined {
    return this.#schedules.get(name);
  }

  /**
   * Refuses schedules whose names are taken.
   *
   * @throws {TypeError} If one is.
   */
  assertFree(schedules: readonly Schedule[]): void {
    const seen = new Set(this.#schedules.keys());
    for (const { name, actorName } of schedules) {
      if (seen.has(name)) {
        const other = this.#schedules.get(name)?.actorName ?? actorName;
        throw fault(
          TypeError,
          { actorName, queueName: "" },
          `the name ${show(name)} of its schedule is taken by one of actor "${other}"`,
        );
      }
      seen.add(name);
    }
  }

  /**
   * Declares schedules.
   *
   * @throws {TypeError} If a name is taken. None is declared then.
   */
  add(schedules: readonly Schedule[]): void {
    this.assertFree(schedules);
    for (const schedule of schedules) this.#schedules.set(schedule.name, schedule);
    for (const listener of this.#listeners) listener();
  }

  /** Calls back when a schedule is declared, until it is disposed of. */
  listen(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}
