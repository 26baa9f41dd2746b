/**
 * A broker for tests, with a virtual clock, a real worker that runs on command, and assertions
 * about messages. It works with every test framework.
 *
 * @example Test that an actor is retried
 * ```ts
 * import { actor } from "@dq/dramatiq";
 * import { TestBroker } from "@dq/dramatiq/testing";
 *
 * const kit = new TestBroker();
 * let calls = 0;
 * const flaky = actor(function flaky() {
 *   if (++calls < 3) throw new Error("not yet");
 * }, { broker: kit, maxRetries: 5 });
 *
 * await flaky.send();
 * const runs = await kit.drain({ raise: false });
 * const outcomes = runs.map(({ outcome }) => outcome).join();
 * if (outcomes !== "retried,retried,done") throw new Error(outcomes);
 * await kit.close();
 * ```
 *
 * @module
 */
export { TestBroker } from "./test_broker.ts";
export type { AdvanceOptions, DrainOptions, RunOptions, TestBrokerOptions } from "./options.ts";
export { VirtualClock } from "./virtual_clock.ts";
export { ActorRun } from "./runs.ts";
export { AssertionError } from "./assertion_error.ts";
export type { Expected, ExpectedMessage } from "./assertions.ts";
export type { EnqueuedMessage } from "./enqueued.ts";
