import { type Channel, type ChannelModel, connect } from "amqplib";
import { QUEUE } from "./assignment.ts";

/** Declarations of this library for the queue, in the order in which it can be deleted. */
const QUEUES = [QUEUE, `${QUEUE}.DQ`, `${QUEUE}.XQ`];

/** Inspects the queue over a connection of its own. */
export class Inspector {
  readonly #connection: ChannelModel;
  readonly #channel: Channel;

  private constructor(connection: ChannelModel, channel: Channel) {
    this.#connection = connection;
    this.#channel = channel;
  }

  /** Connects, and declares the queue as dramatiq does. */
  static async open(url: string): Promise<Inspector> {
    const connection = await connect(url);
    const channel = await connection.createChannel();
    const deadLetters = {
      "x-dead-letter-exchange": "",
      "x-dead-letter-routing-key": `${QUEUE}.XQ`,
    };
    const week = { "x-message-ttl": { "!": "int", value: 604_800_000 } };
    for (const name of QUEUES) {
      await channel.assertQueue(name, {
        durable: true,
        arguments: name.endsWith(".XQ") ? week : deadLetters,
      });
    }
    return new Inspector(connection, channel);
  }

  /** Drops all messages. */
  async purge(): Promise<void> {
    for (const name of QUEUES) await this.#channel.purgeQueue(name);
  }

  /** Number of ready messages: all of them once no consumer is left. */
  async count(): Promise<number> {
    const counts = await Promise.all(QUEUES.map((name) => this.#channel.checkQueue(name)));
    return counts.reduce((sum, { messageCount }) => sum + messageCount, 0);
  }

  /** Takes all messages off the queue, and gives the number of each. */
  async takeAll(): Promise<number[]> {
    const indexes: number[] = [];
    const { messageCount } = await this.#channel.checkQueue(QUEUE);
    if (messageCount === 0) return [];
    await new Promise<void>((resolve) => {
      void this.#channel.consume(QUEUE, (message) => {
        indexes.push(JSON.parse(message!.content.toString()).args[0]);
        if (indexes.length === messageCount) resolve();
      }, { noAck: true, consumerTag: "inspector" });
    });
    await this.#channel.cancel("inspector");
    return indexes;
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}
