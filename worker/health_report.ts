/** A message that is running, for reports of health. */
export interface RunningFor {
  readonly messageId: string;
  readonly actor: string;
  readonly queue: string;
  /** Milliseconds for which it has been running. */
  readonly runningFor: number;
}

/** Health of one worker. */
export interface WorkerHealth {
  /** Name in reports. */
  readonly name: string;
  /** Process id; `undefined` for a worker of this process. */
  readonly pid?: number;
  readonly state: "starting" | "working" | "quiet" | "stopping";
  /** Milliseconds since the worker last answered; 0 for a worker of this process. */
  readonly silentFor: number;
  /** Milliseconds since the broker last answered the worker; 0 while it does. */
  readonly brokerSilentFor: number;
  /** Number of messages that it runs at once. */
  readonly slots: number;
  readonly inFlight: number;
  readonly done: number;
  readonly failed: number;
  readonly retried: number;
  /** The message that has been running longest, if it is known. */
  readonly oldest?: RunningFor;
}

/** Health of all workers that one server reports on. */
export interface Health {
  /** Why this program should be restarted; empty while it is alive. */
  readonly dead: readonly string[];
  /** True after a request to stop. */
  readonly isStopping: boolean;
  readonly workers: readonly WorkerHealth[];
}
