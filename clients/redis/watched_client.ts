import { breakOff, type Client } from "./client.ts";
import { Watchdog } from "./watchdog.ts";

/**
 * A client that ends with its connection, and whose connection ends when it is silent: while it
 * is set up (connect, TLS, hello), and whenever it was asked something. What comes in parts, and
 * never as a whole, counts as silence.
 */
export class WatchedClient implements Client {
  readonly #client: Client;
  readonly #watchdog: Watchdog;

  /**
   * Watches a client from its first attempt to connect, which has just begun.
   *
   * @param client The client.
   */
  constructor(client: Client) {
    this.#client = client;
    this.#watchdog = new Watchdog(() => breakOff(client, "the server does not answer"));
    this.#watchdog.asked();
    let isSettingUp = true;
    const setUp = () => {
      if (isSettingUp) this.#watchdog.answered();
      isSettingUp = false;
    };
    client.on("ready", setUp);
    client.on("end", () => {
      setUp();
      this.#watchdog.stop();
    });
  }

  get status(): string {
    return this.#client.status;
  }

  on(event: "connecting" | "ready" | "close" | "end", listener: () => void): this;
  on(event: "error", listener: (error: Error) => void): this;
  on(
    event: "messageBuffer",
    listener: (channel: Uint8Array, message: readonly Uint8Array[] | null) => void,
  ): this;
  on(event: never, listener: never): this {
    this.#client.on(event, listener);
    return this;
  }

  async callBuffer(command: string, ...args: unknown[]): Promise<unknown> {
    this.#watchdog.asked();
    try {
      return await this.#client.callBuffer(command, ...args);
    } finally {
      this.#watchdog.answered();
    }
  }

  disconnect(reconnect?: boolean): void {
    this.#client.disconnect(reconnect);
  }
}
