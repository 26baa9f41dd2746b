/** Times of a schedule, in milliseconds since the epoch. */
export interface Ticks {
  /**
   * The first time after another time.
   *
   * @returns The time; `undefined` if there is none.
   */
  next(after: number): number | undefined;
}

/**
 * Times of an interval: its multiples since the epoch, so that all workers agree on them.
 *
 * @param interval Milliseconds.
 * @returns Its times.
 */
export function everyTicks(interval: number): Ticks {
  return { next: (after) => (Math.floor(after / interval) + 1) * interval };
}
