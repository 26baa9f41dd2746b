import { type Channel, createChannel, type Model } from "./client.ts";

/** Milliseconds to open a channel while the server sends nothing else. */
const LONGEST_OPENING = 3_000;
/** Number of checks: after the event loop was blocked, the next one sees all replies. */
const CHECKS = 2;

/** Options for {@linkcode openChannel}. */
export interface OpenChannelOptions {
  /** True to have the server confirm messages on it. */
  readonly isConfirmed: boolean;
  /** True if the connection is up, and the server does not block it. */
  isReading(): boolean;
  /** Returns a number that changes with other replies, which show that the server reads. */
  heard(): number;
}

/**
 * Opens a channel, or drops a connection that the server does not read: RabbitMQ stops reading while a
 * channel has too much to process, for example because it waits for the leader of a queue.
 *
 * @param model The connection.
 * @param options Kind of channel, and signs that the server reads.
 */
export async function openChannel(
  model: Model,
  { isConfirmed, isReading, heard }: OpenChannelOptions,
): Promise<Channel> {
  let last = heard();
  let silentChecks = 0;
  const check = () => {
    const now = heard();
    silentChecks = now === last && isReading() ? silentChecks + 1 : 0;
    last = now;
    if (silentChecks < CHECKS) return;
    const reason = `no channel was opened, and nothing confirmed, for ${LONGEST_OPENING} ms`;
    model.connection.stream.destroy(new Error(reason));
  };
  const timer = setInterval(check, LONGEST_OPENING / CHECKS);
  try {
    return await createChannel(model, isConfirmed);
  } finally {
    clearInterval(timer);
  }
}
