/** The parts of a message that its result is found by. */
export interface ResultOwner {
  /** The queue that it was sent to, or its delay or dead letter queue. */
  readonly queueName: string;
  /** The actor that it is for. */
  readonly actorName: string;
  /** Its id. */
  readonly messageId: string;
}

/** Source of results; the `Results` middleware brings one (see `results/`). */
export interface ResultSource {
  /**
   * Gets the result of a message.
   *
   * @param message The message whose result is wanted.
   * @param options Whether and how long to wait.
   * @returns The value that the actor returned.
   */
  getResult(message: ResultOwner, options: GetResultOptions): Promise<unknown>;
}

/** Options of everything that gets results. */
export interface GetResultOptions {
  /** Backend to ask. @default {undefined} The backend of the broker's `Results` middleware. */
  backend?: ResultSource;
  /** Waits for a result that is not there yet. @default {false} */
  block?: boolean;
  /** Milliseconds to wait at most. @default {10_000} */
  timeout?: number;
  /** Ends the wait when it aborts. */
  signal?: AbortSignal;
}
