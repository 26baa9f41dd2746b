import { Worker as Thread } from "node:worker_threads";

/** A thread without a library, with so many messages on the way at once. */
export class BareLoop {
  readonly #thread: Thread;
  readonly #window: number;

  /**
   * Starts the thread.
   *
   * @param window Messages on the way at once.
   */
  constructor(window: number) {
    this.#thread = new Thread(new URL("./bare_entry.ts", import.meta.url));
    this.#window = window;
  }

  /**
   * Sends all there, and waits for as many to come back. As with the executor, what has
   * come back makes room for as many more, which go together.
   *
   * @param payloads Texts, or decoded messages.
   */
  run(payloads: readonly unknown[]): Promise<void> {
    let sent = 0;
    let echoed = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const send = (count: number) => {
      const part: unknown[] = [];
      for (let i = 0; i < count && sent < payloads.length; i++) part.push(i, payloads[sent++]);
      if (part.length > 0) this.#thread.postMessage(part);
    };
    this.#thread.removeAllListeners("message");
    this.#thread.on("message", (part: unknown[]) => {
      echoed += part.length / 2;
      if (echoed === payloads.length) return resolve();
      send(part.length / 2);
    });
    send(this.#window);
    return promise;
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    await this.#thread.terminate();
  }
}
