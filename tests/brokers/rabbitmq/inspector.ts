import { Buffer } from "node:buffer";
import { type Channel, connect, type GetMessage } from "amqplib";

/** Calls a function with a channel of its own, whose errors may close it. */
export async function withChannel<T>(
  url: string,
  run: (channel: Channel) => Promise<T>,
): Promise<T> {
  const connection = await connect(url);
  try {
    const channel = await connection.createChannel();
    channel.on("error", () => {}); // The operation that caused it fails with the same error.
    return await run(channel);
  } finally {
    await connection.close();
  }
}

/** Reads and changes queues as other programs might, without the library. */
export class Inspector {
  readonly #url: string;

  /** @param url URL of the server. */
  constructor(url: string) {
    this.#url = url;
  }

  /** Puts data on a queue as a producer with a bug would. */
  async put(queueName: string, ...data: readonly (string | Uint8Array)[]): Promise<void> {
    const connection = await connect(this.#url);
    const channel = await connection.createConfirmChannel();
    for (const one of data) {
      const content = typeof one === "string" ? Buffer.from(one) : Buffer.from(one);
      channel.sendToQueue(queueName, content, { persistent: true, mandatory: true });
    }
    await channel.waitForConfirms();
    await connection.close();
  }

  /** Takes everything off a queue, the first one first. */
  async takeAll(queueName: string): Promise<GetMessage[]> {
    return await withChannel(this.#url, async (channel) => {
      const messages: GetMessage[] = [];
      let message;
      while ((message = await channel.get(queueName, { noAck: true }))) messages.push(message);
      return messages;
    });
  }

  /** Reads everything on a queue, and leaves it there. */
  async readAll(queueName: string): Promise<GetMessage[]> {
    return await withChannel(this.#url, async (channel) => {
      const messages: GetMessage[] = [];
      let message;
      while ((message = await channel.get(queueName))) messages.push(message);
      channel.nackAll();
      await channel.checkQueue(queueName); // It is done.
      return messages;
    });
  }

  /** The first argument of each message on a queue, which are left there. */
  async firstArgs(queueName: string): Promise<unknown[]> {
    return (await this.readAll(queueName)).map(firstArgOf);
  }

  /** Declares a durable queue, with arguments as amqplib takes them. */
  async declare(queueName: string, args: Readonly<Record<string, unknown>> = {}): Promise<void> {
    await withChannel(
      this.#url,
      (channel) => channel.assertQueue(queueName, { durable: true, arguments: args }),
    );
  }

  /** Deletes queues with all that they hold. */
  async delete(...queueNames: readonly string[]): Promise<void> {
    await withChannel(this.#url, async (channel) => {
      for (const name of queueNames) await channel.deleteQueue(name);
    });
  }
}

/** The first argument of a message. */
export function firstArgOf({ content }: { readonly content: Buffer }): unknown {
  return JSON.parse(content.toString()).args[0];
}
