import type { Job } from "./job.ts";
import { WorkQueue } from "./work_queue.ts";

/**
 * Jobs whose messages are blamed: a worker died while each of them ran under a mark. One of them
 * runs at a time, and no other job is started beside it, so that it is known which one it was if
 * the worker dies again.
 *
 * Messages that a dead worker just had in flight are no such jobs: a deploy that kills workers would
 * have what they had run one after the other.
 */
export class Suspects {
  /** Jobs that wait for their turn. */
  readonly waiting: WorkQueue<Job> = new WorkQueue();
  #running: Job | undefined;

  /**
   * Takes the next job off, suspects first.
   *
   * @param others Jobs that are no suspects.
   * @returns The job; `undefined` if none may start now.
   */
  shift(others: WorkQueue<Job>): Job | undefined {
    if (this.#running !== undefined) return undefined;
    this.#running = this.waiting.shift();
    return this.#running ?? others.shift();
  }

  /** Hears that a job has ended, or was given back. */
  ended(job: Job): void {
    if (this.#running === job) this.#running = undefined;
  }
}
