import { exportsOf, missingPackage } from "../../platform/missing_package.ts";
import { redactError, secretsOf } from "../../clients/redact.ts";
import { nameOf, type RabbitmqSource } from "./address.ts";

/** Fields of a delivery. */
export interface Delivered {
  readonly fields: {
    readonly deliveryTag: number;
    readonly redelivered: boolean;
    readonly routingKey: string;
    /** Number of further messages on the queue, in the reply of `basic.get`. */
    readonly messageCount?: number;
  };
  readonly properties: {
    readonly priority?: number | undefined;
    readonly headers?: Readonly<Record<string, unknown>> | undefined;
  };
  readonly content: Uint8Array;
}

/** Fields of `basic.ack` and `basic.nack`. */
export interface Confirmed {
  readonly deliveryTag: number;
  readonly multiple: boolean;
}

/** Arguments of a queue declaration. */
export interface QueueOptions {
  readonly durable: boolean;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** The part of an amqplib channel that this library uses. */
export interface Channel {
  on(event: "close", listener: () => void): this;
  on(event: "error", listener: (error: Error) => void): this;
  on(event: "ack" | "nack", listener: (fields: Confirmed) => void): this;
  on(event: "return", listener: (message: Delivered) => void): this;
  assertQueue(queue: string, options: QueueOptions): Promise<{ messageCount: number }>;
  checkQueue(queue: string): Promise<{ messageCount: number }>;
  purgeQueue(queue: string): Promise<unknown>;
  prefetch(count: number): Promise<unknown>;
  consume(
    queue: string,
    listener: (message: Delivered | null) => void,
  ): Promise<{ consumerTag: string }>;
  cancel(consumerTag: string): Promise<unknown>;
  get(queue: string): Promise<Delivered | false>;
  ack(message: unknown, allUpTo?: boolean): void;
  nack(message: unknown, allUpTo?: boolean, requeue?: boolean): void;
  nackAll(requeue: boolean): void;
  close(): Promise<void>;
}

/** The stream to the server, below all channels. */
export interface Wire {
  readonly bytesRead: number;
  /** True after `end`, which amqplib calls when the connection is closed. */
  readonly writableEnded: boolean;
  readonly destroyed: boolean;
  write(chunk: Uint8Array): boolean;
  on(event: "drain", listener: () => void): unknown;
  destroy(error?: Error): unknown;
}

/** The part of an amqplib connection that this library uses. */
export interface Model {
  on(event: "close", listener: (error?: Error) => void): this;
  on(event: "error", listener: (error: Error) => void): this;
  on(event: "blocked", listener: (reason: string) => void): this;
  on(event: "unblocked", listener: () => void): this;
  createChannel(): Promise<Channel>;
  createConfirmChannel(): Promise<Channel>;
  close(): Promise<void>;
  readonly connection: {
    readonly serverProperties: { readonly version?: string };
    readonly frameMax: number;
    /** Negotiated heartbeat timeout in seconds; 0 for none. */
    readonly heartbeat: number;
    readonly channelMax: number;
    readonly stream: Wire;
  };
}

/** Timeout for closing a connection or channel, in milliseconds. */
const CLOSE_TIMEOUT = 2_000;

/**
 * Opens a connection.
 *
 * @param source The server.
 * @param name Name of the connection in RabbitMQ's lists.
 * @throws {TypeError} If amqplib is not installed.
 * @throws {Error} The error of amqplib otherwise.
 */
export async function openModel(source: RabbitmqSource, name: string): Promise<Model> {
  const { connect } = await importClient();
  const { isTls, hostname, port, username, password, vhost, heartbeat, tls } = source;
  const abort = new AbortController();
  const opening = connect(
    {
      protocol: isTls ? "amqps" : "amqp",
      hostname,
      port,
      username,
      password,
      vhost: encodeURIComponent(vhost), // amqplib decodes it
      heartbeat: Math.ceil(heartbeat / 1_000),
    },
    {
      ...tls,
      noDelay: true, // otherwise a small message may be delayed by up to 40 ms
      keepAlive: true,
      clientProperties: { connection_name: name },
      signal: abort.signal,
    } as Parameters<typeof connect>[1],
  ) as unknown as Promise<Model>;
  try {
    const model = await withinTime(opening, source, abort);
    if (hasEnded(model)) throw new Error("it closed the connection as soon as that was open");
    return model;
  } catch (error) {
    throw redactError(error, secretsOf(source));
  }
}

/**
 * Limits the time of all steps together, connect, TLS, greeting and tuning: amqplib's own timeout ends
 * with the first reply, and does not work on all runtimes.
 */
async function withinTime(
  opening: Promise<Model>,
  source: RabbitmqSource,
  abort: AbortController,
): Promise<Model> {
  const { connectionTimeout } = source;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`${nameOf(source)} did not answer within ${connectionTimeout} ms`);
      opening.then(abandon, () => {}); // it may have succeeded just now
      reject(error);
      abort.abort(error); // otherwise each attempt would leave a socket behind
    }, connectionTimeout);
  });
  try {
    return await Promise.race([opening, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * True if a connection is closed. The frame that closes it may arrive together with the reply that opened
 * it, and then it was closed before a listener could be added.
 */
export function hasEnded({ connection: { stream } }: Model): boolean {
  return stream.writableEnded || stream.destroyed;
}

/**
 * Opens a channel.
 *
 * @param model The connection.
 * @param isConfirmed True to have the server confirm messages on it.
 * @throws {Error} If the server does not open it, or closes the connection together with its reply.
 */
export async function createChannel(
  model: Model,
  isConfirmed = false,
): Promise<Channel> {
  const channel = await (isConfirmed ? model.createConfirmChannel() : model.createChannel());
  if (hasEnded(model)) throw new Error("the connection was closed");
  return channel;
}

/** Closes a connection that is no longer needed. */
function abandon(model: Model): void {
  model.on("error", () => {});
  void closeModel(model);
}

/** Closes a connection with the closing handshake, or without if the server does not reply. */
export async function closeModel(model: Model): Promise<void> {
  await politely(model);
  model.connection.stream.destroy();
}

/** Closes a channel with the closing handshake. Unsettled messages on it are requeued. */
export async function closeChannel(channel: Channel): Promise<void> {
  await politely(channel);
}

/** Waits, with a timeout, until the server has read all that was written on a channel. */
export async function answered(channel: Channel): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, CLOSE_TIMEOUT));
  try {
    await Promise.race([channel.prefetch(1), late]); // any method with a reply
  } finally {
    clearTimeout(timer);
  }
}

/** Calls `close`, which never ends in amqplib if the connection is lost meanwhile: so its event counts, too. */
async function politely(
  closable: { on(event: "close", listener: () => void): unknown; close(): Promise<void> },
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const closed = new Promise<void>((resolve) => {
    closable.on("close", resolve);
    timer = setTimeout(resolve, CLOSE_TIMEOUT);
  });
  try {
    await Promise.race([closable.close(), closed]);
  } catch {
    // It was closed already.
  } finally {
    clearTimeout(timer);
  }
}

/** True if amqplib is installed. It is not loaded. */
export function isInstalled(): boolean {
  try {
    import.meta.resolve("amqplib");
    return true;
  } catch {
    return false;
  }
}

async function importClient(): Promise<typeof import("amqplib")> {
  try {
    return exportsOf(await import("amqplib"), "connect");
  } catch (error) {
    throw missingPackage("use RabbitMQ", "amqplib", error);
  }
}
