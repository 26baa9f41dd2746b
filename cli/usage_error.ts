/** What the user has to put right before a worker can start. Its text is for them: one line. */
export class UsageError extends Error {
  static {
    this.prototype.name = "UsageError";
  }
}
