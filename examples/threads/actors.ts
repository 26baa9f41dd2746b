// Declares an actor that computes. Each thread imports this module.
import { actor, Results, setBroker, StubBroker, StubResultBackend } from "@dq/dramatiq";

export const broker = new StubBroker();
broker.addMiddleware(new Results({ backend: new StubResultBackend() }));
setBroker(broker);

/** Calls in this thread: each has its own copy of the module. */
export let calls = 0;

export const countPrimes = actor(function countPrimes(below: number) {
  calls += 1;
  let count = 0;
  for (let n = 2; n < below; n++) {
    let divisor = 2;
    while (divisor * divisor <= n && n % divisor !== 0) divisor += 1;
    if (divisor * divisor > n) count += 1;
  }
  return count;
}, { storeResults: true });
