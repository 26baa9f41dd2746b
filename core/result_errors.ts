import { DramatiqError } from "./errors.ts";

/** Root of the errors about results. */
export class ResultError extends DramatiqError {
  static {
    this.prototype.name = "ResultError";
  }
}

/** There is no result for that message, or not yet. */
export class ResultMissing extends ResultError {
  static {
    this.prototype.name = "ResultMissing";
  }
}

/** A result did not come within the time given. */
export class ResultTimeout extends ResultError {
  static {
    this.prototype.name = "ResultTimeout";
  }
}

/** Options for {@linkcode ResultFailure}. */
export interface ResultFailureOptions extends ErrorOptions {
  /** Class name of the error that the actor threw, in the language of the worker. */
  origExcType?: string;
  /** Its message. */
  origExcMsg?: string;
  /** Its stack, if the worker was told to store that. */
  origTraceback?: string;
}

/** The actor of the message failed for good; there will be no result. */
export class ResultFailure extends ResultError {
  static {
    this.prototype.name = "ResultFailure";
  }

  /** Class name of the error that the actor threw, in the language of the worker. */
  readonly origExcType: string;
  /** Its message. */
  readonly origExcMsg: string;
  /** Its stack in the worker; `undefined` unless `Results` was told to store that. */
  readonly origTraceback: string | undefined;

  /**
   * Says that there will be no result.
   *
   * @param message The message that failed.
   * @param options The actor's own error.
   */
  constructor(message = "", options: ResultFailureOptions = {}) {
    super(message, options);
    this.origExcType = options.origExcType ?? "";
    this.origExcMsg = options.origExcMsg ?? "";
    this.origTraceback = options.origTraceback;
  }
}
