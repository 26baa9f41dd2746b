/** A consumer that can say what it has in flight. */
export interface RegisteredConsumer {
  /** Number of messages that are delivered and not settled. */
  readonly inFlight: number;
  /** Number of messages that it has given back so far. */
  readonly returned: number;
  /** Resolves when all that RabbitMQ has sent before has arrived. */
  caughtUp(): Promise<void>;
}

/**
 * The consumers of this process by server and queue. RabbitMQ does not tell over AMQP what
 * consumers have in flight; those of this process can be asked.
 */
const consumers: Map<string, Set<RegisteredConsumer>> = new Map();

/** Notes that a consumer may have messages of a queue in flight. */
export function registerConsumer(
  server: string,
  queueName: string,
  consumer: RegisteredConsumer,
): void {
  const key = keyOf(server, queueName);
  const ofQueue = consumers.get(key) ?? new Set();
  consumers.set(key, ofQueue.add(consumer));
}

/** Notes that a consumer has nothing in flight any more. */
export function unregisterConsumer(
  server: string,
  queueName: string,
  consumer: RegisteredConsumer,
): void {
  const key = keyOf(server, queueName);
  const ofQueue = consumers.get(key);
  if (ofQueue?.delete(consumer) && ofQueue.size === 0) consumers.delete(key);
}

/** The consumers of some queues, whatever broker of this process they belong to. */
export function consumersOf(server: string, queueNames: readonly string[]): RegisteredConsumer[] {
  return queueNames.flatMap((queueName) => [...consumers.get(keyOf(server, queueName)) ?? []]);
}

function keyOf(server: string, queueName: string): string {
  return `${server} ${queueName}`;
}

/** Number of messages that consumers have given back so far. */
export function sumOfReturned(consumers: readonly RegisteredConsumer[]): number {
  return consumers.reduce((sum, { returned }) => sum + returned, 0);
}
