/**
 * The rules of what `Control` does, on every broker that has a control store. To test one, call
 * {@linkcode brokerControlConformance} in its test file. Each test has a namespace and queues of its own.
 *
 * @module
 */
import { cancelling } from "./broker_cancelling.ts";
import { cancellingAll } from "./broker_cancelling_all.ts";
import { type BrokerControlHarness, Fixture, type Rules } from "./broker_control_harness.ts";
import { pausing } from "./broker_pausing.ts";
import { resizing } from "./broker_resizing.ts";
import { periodic } from "./broker_periodic.ts";
import { declareTests } from "./rules.ts";

export type { BrokerControlHarness } from "./broker_control_harness.ts";

const rules: Rules = { ...cancelling, ...cancellingAll, ...pausing, ...resizing, ...periodic };

/**
 * Declares the tests of all rules for one broker.
 *
 * @param harness The broker.
 */
export function brokerControlConformance(harness: BrokerControlHarness): void {
  declareTests(harness, rules, () => new Fixture(harness));
}
