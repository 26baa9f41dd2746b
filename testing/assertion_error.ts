/**
 * Failed assertion of a `TestBroker`. A class apart from that of `node:assert`, whose further fields
 * some test frameworks print.
 */
export class AssertionError extends Error {
  /** The name by which test frameworks tell a failed assertion from another error. */
  override readonly name: string = "AssertionError";

  /**
   * Makes the error.
   *
   * @param message What was expected, and what was found.
   * @param caller The function whose caller the stack begins with.
   */
  // deno-lint-ignore ban-types -- as captureStackTrace has it
  constructor(message: string, caller?: Function) {
    super(message);
    if (caller !== undefined) Error.captureStackTrace(this, caller);
  }
}
