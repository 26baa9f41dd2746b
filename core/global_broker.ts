import type { Broker } from "./broker.ts";

/** Advice appended to errors about a default server that was never reached. */
export const NO_ADDRESS =
  "no address was given: give one as url, or, where setBroker() is not called, as DRAMATIQ_BROKER_URL; " +
  "sqlite:tasks.db needs no server";

let globalBroker: Broker | undefined;
let makeDefaultBroker: (() => Broker) | undefined;

/**
 * The broker of this process. When none was set, one is made: as `DRAMATIQ_BROKER_URL` says,
 * else for RabbitMQ on 127.0.0.1:5672, or, where `amqplib` is not installed, for Redis on
 * 127.0.0.1:6379.
 *
 * @returns The broker; it connects when it is first used.
 * @throws {TypeError} If the variable names none, or may not be read.
 */
export function getBroker(): Broker {
  if (globalBroker === undefined) {
    if (makeDefaultBroker === undefined) {
      throw new TypeError("Cannot get a broker: call setBroker() first");
    }
    globalBroker = makeDefaultBroker();
  }
  return globalBroker;
}

/**
 * Sets the broker of this process. Do so before the first actor is declared:
 * actors stay with the broker that they were declared on.
 *
 * @param broker The broker that actors use unless they name another.
 * @throws {TypeError} If it is none.
 *
 * @example A broker for all actors of a program
 * ```ts
 * import { actor, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 * const greet = actor(function greet(name: string) {
 *   console.log(`Hello, ${name}`);
 * });
 * await greet.send("Ada");
 * ```
 */
export function setBroker(broker: Broker): void {
  if (typeof broker?.declareActor !== "function") {
    throw new TypeError(`Cannot set broker ${String(broker)}: it must be a Broker`);
  }
  globalBroker = broker;
}

/**
 * @internal Puts another broker in the place of the present one, for the length of a test.
 *
 * @returns The one before.
 */
export function exchangeBroker(broker: Broker | undefined): Broker | undefined {
  const before = globalBroker;
  globalBroker = broker;
  return before;
}

/** @returns The broker of this process, if there is one by now. */
export function currentBroker(): Broker | undefined {
  return globalBroker;
}

/** True if there is a broker, or one can be made: a module of this library makes them. */
export function hasBroker(): boolean {
  return globalBroker !== undefined || makeDefaultBroker !== undefined;
}

/** Sets how the core creates the default broker: the core itself knows no kind of broker. */
export function setDefaultBrokerFactory(factory: () => Broker): void {
  makeDefaultBroker = factory;
}
