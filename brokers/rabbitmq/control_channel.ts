import { type Channel, closeChannel } from "./client.ts";
import { explain } from "./errors.ts";

/** Milliseconds after which an operation without a reply no longer blocks others. */
const LONGEST_TURN = 5_000;

/**
 * The channel of a connection for operations on queues. They run one after the other, since the server
 * closes the channel at an error, which would fail all of them.
 *
 * An operation may have no reply for long, if a node hangs or the server does not read the connection.
 * Then the next operations use another channel, while the first continues to wait. That channel is
 * opened at once: if it cannot be, the connection is dropped.
 */
export class ControlChannel {
  readonly #open: () => Promise<Channel>;
  #current: Promise<Channel> | undefined;
  /** Resolves when the operation after the last one may begin. */
  #lastTurn: Promise<void> = Promise.resolve();

  /** @param open Opens a channel, when the connection is up. */
  constructor(open: () => Promise<Channel>) {
    this.#open = open;
  }

  /**
   * Runs an operation.
   *
   * @param purpose Purpose of the operation: the end of "Cannot …".
   * @param operate Runs it on a channel.
   * @throws {BrokerConnectionError} If the server cannot be reached, or refuses.
   */
  async run<T>(purpose: string, operate: (channel: Channel) => Promise<T>): Promise<T> {
    const lastTurn = this.#lastTurn;
    const { promise, resolve: endTurn } = Promise.withResolvers<void>();
    this.#lastTurn = promise;
    await lastTurn;
    const current = this.#current ??= this.#openNew();
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const channel = await current;
      timer = setTimeout(() => {
        if (this.#current === current) this.#current = this.#openNew();
        endTurn();
      }, LONGEST_TURN);
      return await operate(channel);
    } catch (error) {
      throw explain(purpose, error);
    } finally {
      clearTimeout(timer);
      endTurn();
      if (this.#current !== current) current.then(closeChannel, () => {});
    }
  }

  /** Notes that the connection is lost. */
  lost(): void {
    this.#current = undefined;
  }

  /** Closes it. */
  async close(): Promise<void> {
    if (this.#current !== undefined) await this.#current.then(closeChannel, () => {});
  }

  #openNew(): Promise<Channel> {
    const opening: Promise<Channel> = this.#open().then((channel) => {
      channel.on("error", () => {}); // the operation that caused it fails with it
      channel.on("close", () => this.#leave(opening));
      return channel;
    });
    opening.catch(() => this.#leave(opening));
    return opening;
  }

  #leave(channel: Promise<Channel>): void {
    if (this.#current === channel) this.#current = undefined;
  }
}
