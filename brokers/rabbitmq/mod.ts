/**
 * A broker on RabbitMQ, whose queues Python's dramatiq shares.
 *
 * @module
 */
export type { RabbitmqAddress, RabbitmqConnectionOptions } from "./address.ts";
export type { QueueType, RabbitmqBrokerOptions } from "./options.ts";
export { RabbitmqBroker, type RabbitmqMessageCounts } from "./rabbitmq_broker.ts";
