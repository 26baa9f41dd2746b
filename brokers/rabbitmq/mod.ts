/**
 * A broker on RabbitMQ, whose queues Python's dramatiq shares.
 *
 * Publishing is confirmed, delayed messages wait in RabbitMQ, and consumers recover from every kind of
 * interruption.
 *
 * @example Several servers, and quorum queues
 * ```ts
 * import { RabbitmqBroker } from "@dq/dramatiq/brokers/rabbitmq";
 *
 * const broker = new RabbitmqBroker({
 *   url: ["amqp://127.0.0.1", "amqp://127.0.0.2"],
 *   queueType: "quorum",
 * }); // connects when it is first used
 * ```
 *
 * @module
 */
export type { RabbitmqAddress, RabbitmqConnectionOptions } from "./address.ts";
export type { QueueType, RabbitmqBrokerOptions } from "./options.ts";
export { RabbitmqBroker, type RabbitmqMessageCounts } from "./rabbitmq_broker.ts";
