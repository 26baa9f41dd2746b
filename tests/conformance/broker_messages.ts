import type { Broker, Consumer, Encoded, MessageProxy } from "@dq/dramatiq";
import { Message } from "@dq/dramatiq";
import { delayQueueName } from "../../core/queue_names.ts";

/** A message for an actor that need not exist. */
export function work(queueName: string, ...args: unknown[]): Message {
  return new Message({ queueName, actorName: "work", args });
}

/** Sends one message after the other, each with one argument. */
export async function sendAll(
  broker: Broker,
  queueName: string,
  values: readonly unknown[],
): Promise<Message[]> {
  const sent: Message[] = [];
  for (const value of values) sent.push(await broker.enqueue(work(queueName, value)));
  return sent;
}

/** Receives until there are so many messages, which the prefetch has to allow. */
export async function receiveCount(consumer: Consumer, count: number): Promise<MessageProxy[]> {
  const received: MessageProxy[] = [];
  while (received.length < count) {
    const messages = await consumer.receive(count - received.length);
    if (messages.length === 0) throw new Error(`The consumer ended after ${received.length}`);
    received.push(...messages);
  }
  return received;
}

/** The one message that comes next. */
export async function receiveOne(consumer: Consumer): Promise<MessageProxy> {
  const [message] = await receiveCount(consumer, 1);
  return message!;
}

/** The first argument of each. */
export function firstArgs(messages: readonly Pick<MessageProxy, "args">[]): unknown[] {
  return messages.map((message) => message.args[0]);
}

/** Data as text, whether it came as text or as bytes. */
export function textOf(data: Encoded): string {
  return typeof data === "string" ? data : new TextDecoder().decode(data);
}

/**
 * Puts delayed messages on their queue when they are due, as a worker does, until it
 * is disposed of.
 */
export function moveDelayed(broker: Broker, queueName: string): AsyncDisposable {
  const consumer = broker.consume(delayQueueName(queueName), { prefetch: 10 });
  const moving = moveAll(broker, queueName, consumer);
  moving.catch(() => {}); // It is thrown when the confirmedPublisher is disposed of.
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      await consumer.close();
      await moving;
    },
  };
}

async function moveAll(broker: Broker, queueName: string, consumer: Consumer): Promise<void> {
  for await (const { message } of acknowledged(consumer)) {
    await broker.enqueue(message.copy({ queueName, options: { eta: undefined } }));
  }
}

/** Acknowledges each message once the caller is through with it. */
async function* acknowledged(consumer: Consumer): AsyncGenerator<MessageProxy> {
  for await (const message of consumer) {
    yield message;
    await consumer.ack([message]);
  }
}

/**
 * Counts what the consumers opened from now on receive of a queue.
 *
 * @returns A function that waits until so many were received.
 */
export function countReceived(broker: Broker, queueName: string): (count: number) => Promise<void> {
  let received = 0;
  let wake = () => {};
  const consume = broker.consume.bind(broker);
  broker.consume = (name, options) => {
    const consumer = consume(name, options);
    if (name !== queueName) return consumer;
    const receive = consumer.receive.bind(consumer);
    consumer.receive = async (...args) => {
      const messages = await receive(...args);
      received += messages.length;
      wake();
      return messages;
    };
    return consumer;
  };
  return async (count) => {
    while (received < count) await new Promise<void>((resolve) => wake = resolve);
  };
}
