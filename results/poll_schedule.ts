import type { Clock, Timer } from "../platform/clock.ts";

/** Milliseconds between two polls of a key: they grow with the number of polls. */
const PAUSES: readonly number[] = [10, 20, 40, 80, 160, 250];
/**
 * Milliseconds of pause for each polled key: ten times the cost of a poll, so that polling thousands of
 * keys takes at most a tenth of the time.
 */
const PAUSE_PER_KEY = 0.1;

/** Keys that are due together. */
interface Level {
  readonly pause: number;
  readonly keys: Set<string>;
  timer: Timer | undefined;
  /** Milliseconds paused so far. */
  paused: number;
}

/**
 * Schedule for polling results of backends without notifications. Keys of about the same age are polled
 * together, so that a thousand waiters cost one read at a time.
 */
export class PollSchedule {
  readonly #clock: Clock;
  readonly #look: (keys: Iterable<string>) => void;
  readonly #levels: readonly Level[] = PAUSES.map((pause) => {
    return { pause, keys: new Set(), timer: undefined, paused: 0 };
  });

  /**
   * Makes an empty schedule.
   *
   * @param clock The clock.
   * @param look Polls keys.
   */
  constructor(clock: Clock, look: (keys: Iterable<string>) => void) {
    this.#clock = clock;
    this.#look = look;
  }

  /**
   * Schedules the next poll of a key.
   *
   * @param key The key.
   * @param looks Number of polls before.
   */
  add(key: string, looks: number): void {
    const level = this.#levels[Math.min(looks, this.#levels.length - 1)]!;
    level.keys.add(key);
    if (level.timer !== undefined) return;
    level.paused = 0;
    this.#pause(level, level.pause);
  }

  /** Removes a key. */
  remove(key: string): void {
    for (const { keys } of this.#levels) keys.delete(key);
  }

  /** Removes all keys. */
  clear(): void {
    for (const level of this.#levels) {
      this.#clock.clearTimer(level.timer);
      level.timer = undefined;
      level.keys.clear();
    }
  }

  #pause(level: Level, ms: number): void {
    level.timer = this.#clock.setTimer(() => {
      level.timer = undefined;
      level.paused += ms;
      const owed = level.keys.size * PAUSE_PER_KEY - level.paused;
      if (owed > 0) return this.#pause(level, owed);
      const due = [...level.keys];
      level.keys.clear();
      this.#look(due);
    }, ms);
  }
}
