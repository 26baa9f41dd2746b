import { checkKnownOptions, type KnownOptions } from "./known_options.ts";

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

const KNOWN_OPTIONS: KnownOptions<GetResultOptions> = {
  backend: true,
  block: "boolean",
  signal: "AbortSignal",
  timeout: true,
};

/**
 * Checks the options of a call that gets results.
 *
 * @param options The options.
 * @throws {TypeError} If one is not known, or of the wrong type.
 */
export function checkResultOptions(options: GetResultOptions): void {
  checkKnownOptions("get a result", options, KNOWN_OPTIONS);
  const { backend } = options;
  if (backend === undefined || typeof backend?.getResult === "function") return;
  throw new TypeError("Cannot get a result: its backend must be a result backend");
}
