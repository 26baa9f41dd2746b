import type { Broker, DeadLetter, Message } from "@dq/dramatiq";
import { receiveOne } from "./broker_messages.ts";

/** Sends messages, and has them die after three retries. */
export async function bury(
  broker: Broker,
  queueName: string,
  messages: readonly Message[],
): Promise<Message[]> {
  const sent: Message[] = [];
  for (const message of messages) {
    sent.push(await broker.enqueue(message.copy({ options: { retries: 3 } })));
    await buryNext(broker, queueName);
  }
  return sent;
}

/** Has the next message of a queue die. */
export async function buryNext(broker: Broker, queueName: string): Promise<void> {
  await using consumer = broker.consume(queueName);
  const received = await receiveOne(consumer);
  received.stuffException(new RangeError("the last straw"));
  await consumer.nack([received]);
}

/** Visits the dead letters of a queue, one after the other. */
export async function eachDead(
  broker: Broker,
  queueName: string,
  visit: (dead: DeadLetter) => unknown,
  pageSize?: number,
): Promise<void> {
  for await (const dead of broker.deadLetters(queueName, pageSize ? { pageSize } : {})) {
    await visit(dead);
  }
}

/** The dead letters of a queue. */
export async function readAll(
  broker: Broker,
  queueName: string,
  pageSize?: number,
): Promise<DeadLetter[]> {
  const all: DeadLetter[] = [];
  await eachDead(broker, queueName, (dead) => all.push(dead), pageSize);
  return all;
}
