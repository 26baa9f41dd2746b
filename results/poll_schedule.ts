import type { Clock, Timer } from "../platform/clock.ts";

/** Milliseconds between two polls of a key: often at first, more and more seldom then. */
const PAUSES: readonly number[] = [10, 20, 40, 80, 160, 250];
/**
 * Milliseconds of pause for each key that is looked at: ten times of what a look costs, so
 * that thousands of them take no more than a tenth of anybody's time.
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
 * Decides when to look again for results that nobody tells of: at all keys of about the
 * same age together, so that a thousand who wait cost a look as one does.
 */
export class PollSchedule {
  readonly #clock: Clock;
  readonly #look: (keys: Iterable<string>) => void;
  readonly #levels: readonly Level[] = PAUSES.map((pause) => {
    return { pause, keys: new Set(), timer: undefined, paused: 0 };
  });

  /**
   * Makes an empty one.
   *
   * @param clock What it goes by.
   * @param look Looks at keys.
   */
  constructor(clock: Clock, look: (keys: Iterable<string>) => void) {
    this.#clock = clock;
    this.#look = look;
  }

  /**
   * Puts a key on.
   *
   * @param key What to look at.
   * @param looks How often it was put on before.
   */
  add(key: string, looks: number): void {
    const level = this.#levels[Math.min(looks, this.#levels.length - 1)]!;
    level.keys.add(key);
    if (level.timer !== undefined) return;
    level.paused = 0;
    this.#pause(level, level.pause);
  }

  /** Takes a key off. */
  remove(key: string): void {
    for (const { keys } of this.#levels) keys.delete(key);
  }

  /** Takes all keys off. */
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
