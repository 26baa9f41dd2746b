/** A consumer in the registry. */
export interface RegisteredConsumer {
  /** Number of messages that are delivered and not settled. */
  readonly inFlight: number;
  /** Number of messages that it has requeued so far. */
  readonly returned: number;
  /** Resolves when all messages that RabbitMQ has sent before have arrived. */
  caughtUp(): Promise<void>;
}

/**
 * The consumers of this process by server and queue. AMQP has no count of messages in flight, but those
 * of this process are known.
 */
const consumers: Map<string, Set<RegisteredConsumer>> = new Map();

/** Registers a consumer, which may have messages of a queue in flight. */
export function registerConsumer(
  server: string,
  queueName: string,
  consumer: RegisteredConsumer,
): void {
  const key = keyOf(server, queueName);
  const ofQueue = consumers.get(key) ?? new Set();
  consumers.set(key, ofQueue.add(consumer));
}

/** Removes a consumer, which has no more messages in flight. */
export function unregisterConsumer(
  server: string,
  queueName: string,
  consumer: RegisteredConsumer,
): void {
  const key = keyOf(server, queueName);
  const ofQueue = consumers.get(key);
  if (ofQueue?.delete(consumer) && ofQueue.size === 0) consumers.delete(key);
}

/** The consumers of some queues, of all brokers of this process. */
export function consumersOf(server: string, queueNames: readonly string[]): RegisteredConsumer[] {
  return queueNames.flatMap((queueName) => [...consumers.get(keyOf(server, queueName)) ?? []]);
}

function keyOf(server: string, queueName: string): string {
  return `${server} ${queueName}`;
}

/** Number of messages that consumers have requeued so far. */
export function sumOfReturned(consumers: readonly RegisteredConsumer[]): number {
  return consumers.reduce((sum, { returned }) => sum + returned, 0);
}
