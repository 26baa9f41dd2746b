import type { Entry } from "./journal.ts";

/** Knowledge of a producer of a message. */
export interface Sending {
  /** The process. */
  readonly process: string;
  /** When `send` was called. */
  readonly from: number;
  /** When it resolved or rejected. */
  readonly to: number;
  /** The class of the error, or `undefined` if it resolved. */
  readonly error: string | undefined;
}

/** One run of an actor. */
export interface Run {
  /** The process. */
  readonly process: string;
  /** When it began. */
  readonly begun: number;
  /** Number of times the message had failed before. */
  readonly attempt: number;
  /**
   * The broker's id of the message; another one stands for another stored message. Empty
   * where the broker has none.
   */
  readonly delivery: string;
  /** When it was over. */
  ended: number | undefined;
  /** True if it failed, on purpose. */
  isFailed: boolean;
}

/** A delayed message was put on its queue. */
export interface Move {
  /** The process. */
  readonly process: string;
  /** When. */
  readonly at: number;
  /** Number of times the message had failed before. */
  readonly attempt: number;
}

/** All that is known of one message. */
export interface Story {
  /** Outcome of its `send`; `undefined` while `send` has not answered. */
  sending: Sending | undefined;
  /** Number of times it has run, in the order in which it was read. */
  readonly runs: Run[];
  /** Number of times it was put on its queue after a delay. */
  readonly moves: Move[];
  /** True if a run has succeeded. */
  isDone: boolean;
}

/** Puts together what all processes noted. */
export class Ledger {
  /** By number. */
  readonly stories: Map<number, Story> = new Map();
  /** The processes that work. */
  readonly ready: Set<string> = new Set();
  /** The processes that have ended in good order. */
  readonly closed: Set<string> = new Set();
  /** Runs that are not over, of the process, by their number there. */
  readonly #running: Map<string, Map<number, Run>> = new Map();
  #done = 0;
  #sent = 0;
  #sentAndDone = 0;

  /** Number of messages that have succeeded, whatever became of their `send`. */
  get done(): number {
    return this.#done;
  }

  /** Number of `send`s that have resolved. */
  get sent(): number {
    return this.#sent;
  }

  /** Number of messages whose `send` has resolved that have not succeeded yet. */
  get missing(): number {
    return this.#sent - this.#sentAndDone;
  }

  /** @returns How many runs of a process are not over. */
  runningOn(process: string): number {
    return this.#running.get(process)?.size ?? 0;
  }

  /** Takes up what a process noted. */
  add(process: string, entry: Entry): void {
    switch (entry.kind) {
      case "ready":
        this.ready.add(process);
        return;
      case "closed":
        this.closed.add(process);
        return;
      case "sent":
      case "rejected":
        return this.#addSending(process, entry);
      case "begun":
        return this.#addRun(process, entry);
      case "moving": {
        const { number, at, attempt } = entry;
        this.#story(number).moves.push({ process, at, attempt });
        return;
      }
      case "done":
      case "failed":
        return this.#endRun(process, entry);
    }
  }

  #story(number: number): Story {
    let story = this.stories.get(number);
    if (story === undefined) {
      story = { sending: undefined, runs: [], moves: [], isDone: false };
      this.stories.set(number, story);
    }
    return story;
  }

  #addSending(process: string, entry: Entry & { kind: "sent" | "rejected" }): void {
    const { from, at: to, error } = entry;
    const story = this.#story(entry.number);
    story.sending = { process, from, to, error };
    if (error !== undefined) return;
    this.#sent++;
    if (story.isDone) this.#sentAndDone++;
  }

  #addRun(process: string, entry: Entry & { kind: "begun" }): void {
    const { at: begun, attempt, delivery } = entry;
    const run: Run = { process, begun, attempt, delivery, ended: undefined, isFailed: false };
    this.#story(entry.number).runs.push(run);
    let running = this.#running.get(process);
    if (running === undefined) this.#running.set(process, running = new Map());
    running.set(entry.run, run);
  }

  #endRun(process: string, entry: Entry & { kind: "done" | "failed" }): void {
    const running = this.#running.get(process)!;
    const run = running.get(entry.run)!;
    running.delete(entry.run);
    run.ended = entry.at;
    run.isFailed = entry.kind === "failed";
    const story = this.#story(entry.number);
    if (run.isFailed || story.isDone) return;
    story.isDone = true;
    this.#done++;
    if (story.sending !== undefined && story.sending.error === undefined) this.#sentAndDone++;
  }
}
