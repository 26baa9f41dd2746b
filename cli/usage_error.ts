/** An error of the user, reported as one line without a stack. */
export class UsageError extends Error {
  static {
    this.prototype.name = "UsageError";
  }
}
