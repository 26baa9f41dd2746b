/**
 * The actors that `bench/threads.ts` measures; each thread imports this.
 *
 * @module
 */
import { actor, type Broker, StubBroker } from "../../mod.ts";

/** Result of an asynchronous actor that does nothing. */
const DONE = Promise.resolve();

/** Declares them. */
export function declareActors(broker: Broker) {
  return {
    noop: actor(function noop(_n: number, _text: string): Promise<void> {
      return DONE;
    }, { broker }),
    hash: actor(function hash(seed: number, rounds: number): number {
      let value = seed;
      for (let i = 0; i < rounds; i++) {
        value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
        value = Math.imul(value ^ (value >>> 12), 0x297a2d39);
      }
      return value;
    }, { broker }),
  };
}

/** The broker of a thread. */
export const broker: Broker = new StubBroker();
declareActors(broker);
