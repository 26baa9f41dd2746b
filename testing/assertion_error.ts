/**
 * Failed assertion of a `TestBroker`. Not the class of `node:assert`: some test frameworks print
 * its additional fields.
 */
export class AssertionError extends Error {
  /** Test frameworks recognize failed assertions by this name. */
  override readonly name: string = "AssertionError";

  /**
   * Makes the error.
   *
   * @param message Expected and actual values.
   * @param caller The stack begins with the caller of this function.
   */
  // deno-lint-ignore ban-types -- the type of captureStackTrace
  constructor(message: string, caller?: Function) {
    super(message);
    if (caller !== undefined) Error.captureStackTrace(this, caller);
  }
}
