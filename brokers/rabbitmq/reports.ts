import { Buffer } from "node:buffer";
import type { WorkerReport } from "../../core/inspection_reports.ts";
import { decodeReports, encodeReports } from "../../core/report_format.ts";
import type { ReportSource } from "../../core/report_source.ts";
import { type Clock, pause } from "../../platform/clock.ts";
import { getLogger } from "../../platform/logging.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { type Channel, closeChannel, type Delivered } from "./client.ts";
import type { RabbitmqConnection } from "./connection.ts";
import { explain, replyCode } from "./errors.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq", "reports");

/** Exchange for requests to workers. */
const EXCHANGE = "dramatiq.control";
/** Pseudo-queue by which the server delivers replies to the channel of the request. */
const REPLIES = "amq.rabbitmq.reply-to";
/** Milliseconds to wait for replies. */
const ANSWER_TIME = 500;
/** Milliseconds after which a request or a reply expires. */
const EXPIRY = 5_000;
/** Minimum of channels on a connection: with fewer, consumers may need all of them. */
const FEWEST_CHANNELS = 40;
const ACCESS_REFUSED = 403;
const OTHER_EXCHANGE = 406;

/** A request, or a reply, as it is delivered. */
interface Question extends Omit<Delivered, "properties"> {
  readonly properties: { readonly replyTo?: string | undefined };
}

/** The part of an amqplib channel that reports use. */
interface ReportChannel extends Omit<Channel, "assertQueue" | "consume"> {
  assertExchange(exchange: string, type: "fanout", options: object): Promise<unknown>;
  assertQueue(queue: string, options: object): Promise<{ queue: string }>;
  bindQueue(queue: string, exchange: string, pattern: string): Promise<unknown>;
  consume(
    queue: string,
    listener: (message: Question | null) => void,
    options: object,
  ): Promise<unknown>;
  publish(exchange: string, key: string, content: Uint8Array, options: object): boolean;
}

async function openChannel(connection: RabbitmqConnection): Promise<ReportChannel> {
  const { channel } = await connection.openChannel();
  channel.on("error", () => {}); // the operation that caused it fails with it
  const open = channel as unknown as ReportChannel;
  await open.assertExchange(EXCHANGE, "fanout", { durable: true });
  return open;
}

/**
 * Answers requests for the reports of the workers of a process. Nothing is stored, and nothing is sent
 * without a request. Each process has its own queue, which is deleted with its connection.
 */
export class ReportResponder {
  readonly #connection: RabbitmqConnection;
  readonly #clock: Clock;
  readonly #sources: ReadonlySet<ReportSource>;
  #running: AbortController | undefined;

  /**
   * Stores the workers.
   *
   * @param connection The connection that consumes.
   * @param clock The clock of the broker.
   * @param sources The present workers.
   */
  constructor(
    connection: RabbitmqConnection,
    clock: Clock,
    sources: ReadonlySet<ReportSource>,
  ) {
    this.#connection = connection;
    this.#clock = clock;
    this.#sources = sources;
  }

  /** Starts to answer requests, unless it does. */
  start(): void {
    if (this.#running !== undefined) return;
    this.#running = new AbortController();
    void this.#run(this.#running.signal);
  }

  /** Stops answering. */
  stop(): void {
    this.#running?.abort();
    this.#running = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted && !this.#connection.isClosed;) {
      try {
        await this.#answer(signal);
        failures = 0;
      } catch (error) {
        if (error instanceof TooFewChannels || isRefusal(error)) {
          log.warn("Failed to offer reports of workers: {reason}", {
            reason: errorMessage(error),
            error,
          });
          return;
        }
      }
      await pause(this.#clock, retryDelay(failures++), signal);
    }
  }

  /** Answers until the channel is closed. */
  async #answer(signal: AbortSignal): Promise<void> {
    const { connection: { channelMax } } = await this.#connection.whenUp();
    if (channelMax < FEWEST_CHANNELS) throw new TooFewChannels(channelMax);
    const channel = await openChannel(this.#connection);
    const closed = new Promise<void>((resolve) => {
      channel.on("close", resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    const { queue } = await channel.assertQueue("", {
      exclusive: true,
      autoDelete: true,
      messageTtl: EXPIRY,
    });
    await channel.bindQueue(queue, EXCHANGE, "");
    await channel.consume(queue, (message) => this.#reply(channel, message), { noAck: true });
    await closed;
    if (signal.aborted) await closeChannel(channel as unknown as Channel);
  }

  #reply(channel: ReportChannel, message: Question | null): void {
    const replyTo = message?.properties.replyTo;
    if (replyTo === undefined) return;
    const reports = Array.from(this.#sources, (source) => source.report());
    const text = encodeReports(reports.filter((one) => one !== undefined));
    try {
      channel.publish("", replyTo, Buffer.from(text), { expiration: EXPIRY });
    } catch {
      // The channel has just been closed.
    }
  }
}

/** The server allows so few channels that consumers need them all. */
class TooFewChannels extends Error {
  constructor(channelMax: number) {
    super(`a connection has ${channelMax} channels at most, and consumers may need them all`);
  }
}

/** True for permanent errors: no permission, or an exchange of the same name with other settings. */
function isRefusal(error: unknown): boolean {
  const code = replyCode(error) ?? replyCode((error as Error | undefined)?.cause);
  return code === ACCESS_REFUSED || code === OTHER_EXCHANGE;
}

/**
 * Requests the reports of all workers.
 *
 * @param connection The connection of the inspector.
 * @param clock The clock of the broker.
 * @returns The reports that arrive within half a second.
 * @throws {BrokerConnectionError} If the server cannot be reached, or refuses.
 */
export async function askForReports(
  connection: RabbitmqConnection,
  clock: Clock,
): Promise<WorkerReport[]> {
  try {
    const channel = await openChannel(connection);
    const answers: string[] = [];
    const note = (message: Question | null) => {
      if (message !== null) answers.push(Buffer.from(message.content).toString());
    };
    await channel.consume(REPLIES, note, { noAck: true });
    channel.publish(EXCHANGE, "", Buffer.from("report"), { replyTo: REPLIES, expiration: EXPIRY });
    await pause(clock, ANSWER_TIME, new AbortController().signal);
    await closeChannel(channel as unknown as Channel);
    const now = clock.now();
    return answers.flatMap((text) => decodeReports(text, now));
  } catch (error) {
    throw explain("ask workers for reports", error);
  }
}
