import type { Job } from "./job.ts";
import { WorkQueue } from "./work_queue.ts";

/**
 * Jobs of a worker that have not begun, by the priority of their actors.
 *
 * A job is a suspect if a worker died while its message ran under a mark. Suspects run one at a time,
 * and no other job is started beside one, so that the culprit is known if the worker dies again.
 *
 * A message that a dead worker merely had in flight is not a suspect: otherwise, after a deploy that
 * kills workers, all their messages would run one after another.
 */
export class WaitingJobs {
  readonly #jobs: WorkQueue<Job> = new WorkQueue();
  /** Suspects; made when the first one is added. */
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

  /** Removes the next job, suspects first; `undefined` if none may start now. */
  shift(): Job | undefined {
    if (this.#suspects === undefined) return this.#jobs.shift();
    if (this.#runningSuspect !== undefined) return undefined;
    this.#runningSuspect = this.#suspects.shift();
    return this.#runningSuspect ?? this.#jobs.shift();
  }

  /** Notes that a job has ended, or was requeued. */
  ended(job: Job): void {
    if (this.#runningSuspect === job) this.#runningSuspect = undefined;
  }

  /** Removes the jobs that match. */
  take(matches: (job: Job) => boolean): Job[] {
    return [...this.#suspects?.take(matches) ?? [], ...this.#jobs.take(matches)];
  }

  /** Removes jobs of each priority, in order, until one does not match. */
  shiftWhile(matches: (job: Job) => boolean): Job[] {
    return [...this.#suspects?.shiftWhile(matches) ?? [], ...this.#jobs.shiftWhile(matches)];
  }

  /** Removes all jobs, in order. */
  drain(): Job[] {
    return [...this.#jobs.drain(), ...this.#suspects?.drain() ?? []];
  }
}
