/**
 * The rules that every broker follows. To test one, describe it and call
 * {@linkcode brokerConformance} in its test file:
 *
 * ```ts ignore
 * brokerConformance({
 *   name: "MyBroker",
 *   undeclaredQueues: "accepted",
 *   create: ({ namespace, middleware }) => new MyBroker(url, { namespace, middleware }),
 *   deadLetters: (broker, queueName) => readDeadLetters(broker, queueName),
 *   skips: { receiveWokenByOtherBroker: "it lives in the memory of one process" },
 * });
 * ```
 *
 * What a rule takes for granted: a queue that the broker object has declared can be
 * consumed; messages sent one after the other by one broker object stay in that order;
 * and `enqueue` resolves once the message can be received.
 *
 * A delay queue is read by a consumer of its own, which puts each message that is due on
 * its queue (as the worker does). A broker whose server does that has a consumer of the
 * delay queue that gives nothing; the rules hold for both kinds.
 *
 * Each test has a queue of its own, so that many can share a server. None sleeps: each
 * waits for something that the broker is to do, and fails by name if it never does.
 *
 * @module
 */
import { closing } from "./broker_closing.ts";
import { composition } from "./broker_composition.ts";
import { deadLetters } from "./broker_dead_letters.ts";
import { delaying } from "./broker_delaying.ts";
import { delivery } from "./broker_delivery.ts";
import { emptying } from "./broker_emptying.ts";
import { type BrokerHarness, Fixture, type Rules } from "./broker_harness.ts";
import { hooks } from "./broker_hooks.ts";
import { names } from "./broker_names.ts";
import { payloads } from "./broker_payloads.ts";
import { receiving } from "./broker_receiving.ts";
import { requeuing } from "./broker_requeuing.ts";
import { resting } from "./broker_resting.ts";
import { sending } from "./broker_sending.ts";
import { settling } from "./broker_settling.ts";
import { sharing } from "./broker_sharing.ts";
import { stopping } from "./broker_stopping.ts";
import { errors } from "./broker_errors.ts";
import { working } from "./broker_working.ts";
import { declareTests } from "./rules.ts";

export type { BrokerHarness, CreateOptions } from "./broker_harness.ts";

const rules: Rules = {
  ...receiving,
  ...settling,
  ...payloads,
  ...names,
  ...sending,
  ...emptying,
  ...closing,
  ...delaying,
  ...working,
  ...hooks,
  ...errors,
  ...delivery,
  ...stopping,
  ...composition,
  ...deadLetters,
  ...requeuing,
  ...sharing,
  ...resting,
};

/**
 * Declares the tests of all rules for one broker.
 *
 * @param harness The broker, and how to look at it from outside.
 * @throws {TypeError} If it skips a rule that does not exist, or lacks what a rule needs
 *   and does not skip it.
 */
export function brokerConformance(harness: BrokerHarness): void {
  declareTests(harness, rules, () => new Fixture(harness));
}
