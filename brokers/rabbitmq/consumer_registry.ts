import type { RabbitmqConsumer } from "./rabbitmq_consumer.ts";

/**
 * The consumers of this process by server and queue. RabbitMQ does not tell over AMQP what
 * consumers have in flight; those of this process can be asked.
 */
const consumers: Map<string, Set<RabbitmqConsumer>> = new Map();

/** Notes that a consumer may have messages of a queue in flight. */
export function registerConsumer(
  server: string,
  queueName: string,
  consumer: RabbitmqConsumer,
): void {
  const key = keyOf(server, queueName);
  const ofQueue = consumers.get(key) ?? new Set();
  consumers.set(key, ofQueue.add(consumer));
}

/** Notes that a consumer has nothing in flight any more. */
export function unregisterConsumer(
  server: string,
  queueName: string,
  consumer: RabbitmqConsumer,
): void {
  const key = keyOf(server, queueName);
  const ofQueue = consumers.get(key);
  if (ofQueue?.delete(consumer) && ofQueue.size === 0) consumers.delete(key);
}

/** The consumers of some queues, whatever broker of this process they belong to. */
export function consumersOf(server: string, queueNames: readonly string[]): RabbitmqConsumer[] {
  return queueNames.flatMap((queueName) => [...consumers.get(keyOf(server, queueName)) ?? []]);
}

function keyOf(server: string, queueName: string): string {
  return `${server} ${queueName}`;
}

/** How many messages consumers have given back so far. */
export function sumOfReturned(consumers: readonly RabbitmqConsumer[]): number {
  return consumers.reduce((sum, { returned }) => sum + returned, 0);
}
