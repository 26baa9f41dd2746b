import type { Broker, MessageProxy, Middleware } from "../../mod.ts";

/** Counts what a worker does. A middleware may have any of the hooks, and sees every message. */
export class Counts implements Middleware {
  /** Messages that were run; a retry is one more. */
  messages = 0;
  /** Messages that were run again after a failure. */
  retries = 0;
  readonly #skipped = new Set<string>();

  /** Messages that the actor skipped. */
  get skipped(): number {
    return this.#skipped.size;
  }

  /** Counts a message that is about to run. */
  beforeProcessMessage(_broker: Broker, message: MessageProxy): void {
    this.messages += 1;
    if (message.option("retries") !== undefined) this.retries += 1;
  }

  /** Counts a message that was skipped: by its id, because it may be delivered twice. */
  afterSkipMessage(_broker: Broker, message: MessageProxy): void {
    this.#skipped.add(message.messageId);
  }
}
