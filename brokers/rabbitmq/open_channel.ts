import { type Channel, createChannel, type Model } from "./client.ts";

/** Milliseconds that it may take to open a channel while the server says nothing else. */
const LONGEST_OPENING = 3_000;
/** Number of checks: a process that stood still hears of everything by the next look. */
const LOOKS = 2;

/** Options for {@linkcode openChannel}. */
export interface OpenChannelOptions {
  /** True if the server is to confirm what is published on it. */
  readonly isConfirmed: boolean;
  /** Returns true if the server is there, and means to read. */
  isReading(): boolean;
  /** Returns a number that changes whenever the server says something else that shows that it reads. */
  heard(): number;
}

/**
 * Opens a channel, or drops a connection that is not read: RabbitMQ reads nothing from one while
 * one of its channels has too much to process, because it waits for the leader of a queue.
 *
 * @param model The connection.
 * @param options How to open it.
 */
export async function openChannel(
  model: Model,
  { isConfirmed, isReading, heard }: OpenChannelOptions,
): Promise<Channel> {
  let last = heard();
  let silentLooks = 0;
  const look = () => {
    const now = heard();
    silentLooks = now === last && isReading() ? silentLooks + 1 : 0;
    last = now;
    if (silentLooks < LOOKS) return;
    const reason = `no channel was opened, and nothing confirmed, for ${LONGEST_OPENING} ms`;
    model.connection.stream.destroy(new Error(reason));
  };
  const timer = setInterval(look, LONGEST_OPENING / LOOKS);
  try {
    return await createChannel(model, isConfirmed);
  } finally {
    clearInterval(timer);
  }
}
