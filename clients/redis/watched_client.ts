import { breakOff, type Client } from "./client.ts";
import { Watchdog } from "./watchdog.ts";

/**
 * A client that ends with its connection, and closes a silent connection: during the setup (connect,
 * TLS, hello), and while a command is pending. A reply that never completes counts as silence.
 */
export class WatchedClient implements Client {
  readonly #client: Client;
  readonly #watchdog: Watchdog;

  /**
   * Watches a client whose attempt to connect has just begun.
   *
   * @param client The client.
   * @param isUnref True if it lets the process end while it is idle.
   */
  constructor(client: Client, isUnref = false) {
    this.#client = client;
    const onSilence = () => void breakOff(client, "the server does not answer");
    this.#watchdog = new Watchdog(onSilence, { isUnref });
    this.#watchdog.sent();
    let isSettingUp = true;
    const setUp = () => {
      if (isSettingUp) this.#watchdog.replied();
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
    this.#watchdog.sent();
    try {
      return await this.#client.callBuffer(command, ...args);
    } finally {
      this.#watchdog.replied();
    }
  }

  disconnect(reconnect?: boolean): void {
    this.#client.disconnect(reconnect);
  }
}
