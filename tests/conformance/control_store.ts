/**
 * The rules that every control store follows. To test one, describe it and call
 * {@linkcode controlStoreConformance} in its test file. Each test has entries of its own, so that
 * many can share a server. None sleeps.
 *
 * @module
 */
import { type ControlStoreHarness, Fixture, type Rules } from "./control_store_harness.ts";
import { verbs } from "./control_store_verbs.ts";
import { watching } from "./control_store_watching.ts";
import { declareTests } from "./rules.ts";

export type { ControlStoreHarness } from "./control_store_harness.ts";

const rules: Rules = { ...verbs, ...watching };

/**
 * Declares the tests of all rules for one control store.
 *
 * @param harness The store, and what can be done to its server.
 * @throws {TypeError} If it skips a rule that does not exist, or lacks what a rule needs
 *   and does not skip it.
 */
export function controlStoreConformance(harness: ControlStoreHarness): void {
  declareTests(harness, rules, () => new Fixture(harness));
}
