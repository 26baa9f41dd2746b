/** A mistake that the user has to correct before a worker can start; its text is one line. */
export class UsageError extends Error {
  static {
    this.prototype.name = "UsageError";
  }
}
