/**
 * The rules of what an inspector does, on every broker that has one. To test one, call
 * {@linkcode inspectorConformance} in its test file. Each test has a namespace and queues of its own.
 *
 * @module
 */
import { changing } from "./inspector_changing.ts";
import { Fixture, type InspectorHarness, type Rules } from "./inspector_harness.ts";
import { listing } from "./inspector_listing.ts";
import { reporting } from "./inspector_reporting.ts";
import { declareTests } from "./rules.ts";

export type { InspectorHarness } from "./inspector_harness.ts";

const rules: Rules = { ...listing, ...changing, ...reporting };

/**
 * Declares the tests of all rules for one broker.
 *
 * @param harness The broker.
 */
export function inspectorConformance(harness: InspectorHarness): void {
  declareTests(harness, rules, () => new Fixture(harness));
}
