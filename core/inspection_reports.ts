/** Number of messages of an actor. */
export interface ActorCounts {
  /** Messages that ended without an error: done, skipped or cancelled. */
  readonly done: number;
  /** Attempts that failed, whatever followed. */
  readonly failed: number;
  /** Attempts that failed and are retried. */
  readonly retried: number;
  /** Messages that became dead letters. */
  readonly dead: number;
}

/** A message that a worker runs. */
export interface RunningMessage {
  /** Id of the message. */
  readonly messageId: string;
  /** Name of its actor. */
  readonly actorName: string;
  /** Name of its queue. */
  readonly queueName: string;
  /** When a look first found it running, in milliseconds since the epoch: at most half a second late. */
  readonly since: number;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  /** Key of the broker for it, for `get` in the state `unacknowledged`; `undefined` if there is none. */
  readonly key: string | undefined;
}

/** A worker that is alive, as it last reported. */
export interface WorkerReport {
  /** Tells it from all others. */
  readonly id: string;
  /** Name of the machine; `undefined` if that may not be known. */
  readonly host: string | undefined;
  /** Process id; 0 if the worker does not report. */
  readonly pid: number;
  /** The queues that it works on, by name. */
  readonly queues: readonly string[];
  /** Number of messages it runs at once. */
  readonly concurrency: number;
  /** Number of messages that it ran. */
  readonly running: number;
  /** Digest of the schedules that it declares; `undefined` if there are none. */
  readonly schedules: string | undefined;
  /** When it started, in milliseconds since the epoch, by the clock of the server. */
  readonly bootedAt: number;
  /** When it was last heard of, as `bootedAt`. */
  readonly seenAt: number;
  /**
   * True if it reports. A worker in Python, or with `report: false`, has only an id and a
   * heartbeat.
   */
  readonly hasReport: boolean;
  /** State: a quiet worker fetches nothing more, and runs. */
  readonly state: "working" | "quiet" | "stopping";
  /** Runtime and its version, as `deno 2.9.6`. */
  readonly runtime: string | undefined;
  /** Version of this library. */
  readonly version: string | undefined;
  /** Messages that it runs, at most 50, the one that has run longest first. */
  readonly messages: readonly RunningMessage[];
  /** Messages since it started, by actor; at most 100 actors, the others as `(others)`. */
  readonly actors: Readonly<Record<string, ActorCounts>>;
  /** Delay of timers by a busy event loop, in milliseconds: the longest since the last report. */
  readonly lag: number | undefined;
  /** Resident memory of the process in bytes. */
  readonly rss: number | undefined;
}

/** Messages of one minute. */
export interface HistoryMinute {
  /** Begin of the minute, in milliseconds since the epoch. */
  readonly at: number;
  /** Numbers by actor; actors without any are left out. */
  readonly actors: Readonly<Record<string, ActorCounts>>;
}
