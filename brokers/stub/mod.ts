/**
 * A broker in memory, for tests and for programs of one process.
 *
 * Delays, retries and dead letters work as on a server.
 *
 * @example Send a message, and look whether it was sent
 * ```ts
 * import { actor } from "@dq/dramatiq/core";
 * import { StubBroker } from "@dq/dramatiq/brokers/stub";
 *
 * await using broker = new StubBroker();
 * const greet = actor(function greet(_name: string) {}, { broker });
 * await greet.send("Ada");
 * console.log((await broker.inspect().overview()).queues[0]?.ready); // 1
 * ```
 *
 * @module
 */
export { StubBroker, type StubBrokerOptions, type StubJoinOptions } from "./stub_broker.ts";
