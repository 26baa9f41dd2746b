import type { Job } from "./job.ts";
import { WorkQueue } from "./work_queue.ts";

/**
 * Jobs of a worker that have not begun, by the priority of their actors.
 *
 * Jobs whose messages are blamed are suspects: a worker died while each of them ran under a mark.
 * One suspect runs at a time, and no other job is started beside it, so that it is known which one
 * it was if the worker dies again.
 *
 * Messages that a dead worker just had in flight are no suspects: a deploy that kills workers would
 * have what they had run one after the other.
 */
export class WaitingJobs {
  readonly #jobs: WorkQueue<Job> = new WorkQueue();
  /** Made when the first of them is added. */
  #suspects: WorkQueue<Job> | undefined;
  #runningSuspect: Job | undefined;

  /** Number of jobs. */
  get size(): number {
    return this.#jobs.size + (this.#suspects?.size ?? 0);
  }

  /** Adds a job. */
  push(job: Job): void {
    this.#jobs.push(job, job.actor.priority);
  }

  /** Adds a suspect. */
  pushSuspect(job: Job): void {
    this.#suspects ??= new WorkQueue();
    this.#suspects.push(job, job.actor.priority);
  }

  /** Takes the next job off, suspects first; `undefined` if none may start now. */
  shift(): Job | undefined {
    if (this.#suspects === undefined) return this.#jobs.shift();
    if (this.#runningSuspect !== undefined) return undefined;
    this.#runningSuspect = this.#suspects.shift();
    return this.#runningSuspect ?? this.#jobs.shift();
  }

  /** Hears that a job has ended, or was given back. */
  ended(job: Job): void {
    if (this.#runningSuspect === job) this.#runningSuspect = undefined;
  }

  /** Takes the jobs that match off. */
  take(matches: (job: Job) => boolean): Job[] {
    return [...this.#suspects?.take(matches) ?? [], ...this.#jobs.take(matches)];
  }

  /** Takes the jobs of each priority off, the first one first, until one does not match. */
  shiftWhile(matches: (job: Job) => boolean): Job[] {
    return [...this.#suspects?.shiftWhile(matches) ?? [], ...this.#jobs.shiftWhile(matches)];
  }

  /** Takes all jobs off, in order. */
  drain(): Job[] {
    return [...this.#jobs.drain(), ...this.#suspects?.drain() ?? []];
  }
}
