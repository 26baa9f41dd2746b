import { Buffer } from "node:buffer";
import { setTimeout as delay } from "node:timers/promises";
import { type ChannelModel, type ConfirmChannel, connect } from "amqplib";
import type { PythonDelivery, PythonMessage, PythonPeer } from "./peer.ts";

/** Seven days, in milliseconds. */
const DEAD_MESSAGE_TTL = 604_800_000;
/** Milliseconds that a server may take to say that it has closed a connection. */
const CLOSE_TIMEOUT = 1_000;

/**
 * A peer on RabbitMQ, with `confirm_delivery`.
 *
 * Source: `tests/vectors/rabbitmq_broker.json`, its scenarios declare-on-enqueue,
 * publish-confirm-on and consume-ack.
 */
export class PythonRabbitmqPeer implements PythonPeer {
  readonly #connection: ChannelModel;
  readonly #publishing: ConfirmChannel;
  readonly #closed: Promise<void>;

  private constructor(connection: ChannelModel, publishing: ConfirmChannel) {
    this.#connection = connection;
    this.#publishing = publishing;
    this.#closed = new Promise((resolve) => connection.once("close", resolve));
    publishing.on("error", () => {});
  }

  /**
   * Connects, and declares the queues.
   *
   * @param url Where RabbitMQ is.
   * @param queueName The queue.
   */
  static async connect(url: string, queueName: string): Promise<PythonRabbitmqPeer> {
    const connection = await connect(`${url}?heartbeat=1`, { timeout: 3_000 });
    connection.on("error", () => {}); // what waits fails with it
    const publishing = await connection.createConfirmChannel();
    const peer = new PythonRabbitmqPeer(connection, publishing);
    const dead = {
      "x-dead-letter-exchange": "",
      "x-dead-letter-routing-key": `${queueName}.XQ`,
    };
    await publishing.assertQueue(queueName, { durable: true, arguments: dead });
    await publishing.assertQueue(`${queueName}.DQ`, { durable: true, arguments: dead });
    await publishing.assertQueue(`${queueName}.XQ`, {
      durable: true,
      arguments: { "x-message-ttl": DEAD_MESSAGE_TTL },
    });
    return peer;
  }

  enqueue(message: PythonMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      const body = Buffer.from(JSON.stringify(message));
      const confirmed = (error: unknown) => error ? reject(error) : resolve();
      const options = { deliveryMode: 2, mandatory: true };
      this.#publishing.publish("", message.queue_name, body, options, confirmed);
    });
  }

  async consume(
    queueName: string,
    prefetch: number,
    take: (delivery: PythonDelivery) => void,
  ): Promise<void> {
    const channel = await this.#connection.createChannel();
    channel.on("error", () => {});
    await channel.prefetch(prefetch);
    await channel.consume(queueName, (delivered) => {
      if (delivered === null) return;
      const message: PythonMessage = JSON.parse(delivered.content.toString());
      take({ message, ack: () => Promise.resolve(channel.ack(delivered)) });
    });
    await this.#closed;
  }

  async close(): Promise<void> {
    await Promise.race([this.#connection.close(), this.#closed, delay(CLOSE_TIMEOUT)]);
  }

  abandon(): void {
    void this.#connection.close().catch(() => {});
  }
}
