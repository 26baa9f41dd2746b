import type { Message } from "./message.ts";

/** Where results can be had; the `Results` middleware brings one (see `results/`). */
export interface ResultSource {
  /**
   * Gets the result of a message.
   *
   * @param message The message whose result is wanted.
   * @param options Whether and how long to wait.
   * @returns What its actor returned.
   */
  getResult(message: Message, options: GetResultOptions): Promise<unknown>;
}

/** Options of everything that gets results. */
export interface GetResultOptions {
  /** Where to look. @default {undefined} The backend of the broker's `Results` middleware. */
  backend?: ResultSource;
  /** Waits for a result that is not there yet. @default {false} */
  block?: boolean;
  /** Milliseconds to wait at most. @default {10_000} */
  timeout?: number;
  /** Ends the wait when it aborts. */
  signal?: AbortSignal;
}
