import { exportsOf, missingPackage } from "../../platform/missing_package.ts";
import { redactError, secretsOf } from "../../clients/redact.ts";
import { nameOf, type RabbitmqSource } from "./address.ts";

/** Fields of a delivery. */
export interface Delivered {
  readonly fields: {
    readonly deliveryTag: number;
    readonly redelivered: boolean;
    readonly routingKey: string;
    /** Number of further messages: of what was asked for, not of what a consumer is given. */
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

/** The part of an amqplib channel that is used here. */
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
  /** True once nothing more will be written: amqplib ends it when the connection is closed. */
  readonly writableEnded: boolean;
  readonly destroyed: boolean;
  write(chunk: Uint8Array): boolean;
  on(event: "drain", listener: () => void): unknown;
  destroy(error?: Error): unknown;
}

/** The part of an amqplib connection that is used here. */
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
    /** Seconds after which the server is asked for a sign of life, as was negotiated; 0 for never. */
    readonly heartbeat: number;
    readonly channelMax: number;
    readonly stream: Wire;
  };
}

/** Milliseconds that a farewell may take. */
const CLOSE_TIMEOUT = 2_000;

/**
 * Opens a connection.
 *
 * @param source The server.
 * @param name What RabbitMQ is to call the connection in its lists.
 * @throws {TypeError} If amqplib is not installed.
 * @throws {Error} What amqplib says, if that fails.
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
      noDelay: true, // else a small message waits up to 40 ms for company
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
 * One limit for all steps, connect, TLS, greeting and tuning: amqplib's own ends with the first
 * answer, and not on all runtimes.
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
      opening.then(abandon, () => {}); // it may have succeeded just now, for nobody
      reject(error);
      abort.abort(error); // else each attempt would leave a socket behind
    }, connectionTimeout);
  });
  try {
    return await Promise.race([opening, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * True if a connection is closed. What closes it may come together with the answer that opened it,
 * and then it was closed before anybody could listen.
 */
export function hasEnded({ connection: { stream } }: Model): boolean {
  return stream.writableEnded || stream.destroyed;
}

/**
 * Opens a channel.
 *
 * @param model The connection.
 * @param isConfirmed Whether the server is to confirm what is published on it.
 * @throws {Error} If the server opens none, or closes the connection together with its answer.
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

/** Closes a connection in good order, or, if the server does not cooperate, without. */
export async function closeModel(model: Model): Promise<void> {
  await politely(model);
  model.connection.stream.destroy();
}

/** Closes a channel in good order. What was delivered on it and not settled goes back. */
export async function closeChannel(channel: Channel): Promise<void> {
  await politely(channel);
}

/** Waits until the server has read all that was written on a channel; not for ever. */
export async function answered(channel: Channel): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, CLOSE_TIMEOUT));
  try {
    await Promise.race([channel.prefetch(1), late]); // any question; it changes nothing by itself
  } finally {
    clearTimeout(timer);
  }
}

/** amqplib's `close` never ends when the connection is lost meanwhile, so its event counts, too. */
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

/** True if amqplib can be loaded, without loading it where it can be told otherwise. */
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
