/**
 * The rules that every backend of rate limits follows. To test one, describe it and call
 * {@linkcode rateLimiterBackendConformance} in its test file:
 *
 * ```ts ignore
 * rateLimiterBackendConformance({
 *   name: "MyBackend",
 *   open: () => new MyBackend(url),
 *   forget: (key) => client.delete(key),
 *   endClaim: (group) => client.delete(claimOf(group)),
 *   skips: { hammer: "it lives in the memory of one process" },
 * });
 * ```
 *
 * Each test has a key of its own, so that many can share a server. None sleeps.
 *
 * @module
 */
import { barriers } from "./rate_limiter_barriers.ts";
import { groups } from "./rate_limiter_groups.ts";
import { hammering } from "./rate_limiter_hammering.ts";
import { Fixture, type RateLimiterBackendHarness, type Rules } from "./rate_limiter_harness.ts";
import { leases } from "./rate_limiter_leases.ts";
import { limiters } from "./rate_limiter_limiters.ts";
import { verbs } from "./rate_limiter_verbs.ts";
import { declareTests } from "./rules.ts";

export type { BackendAddress, RateLimiterBackendHarness } from "./rate_limiter_harness.ts";

const rules: Rules = { ...verbs, ...leases, ...limiters, ...barriers, ...groups, ...hammering };

/**
 * Declares the tests of all rules for one backend.
 *
 * @param harness The backend, and how to look at it from outside.
 * @throws {TypeError} If it skips a rule that does not exist, or lacks what a rule needs
 *   and does not skip it.
 */
export function rateLimiterBackendConformance(harness: RateLimiterBackendHarness): void {
  declareTests(harness, rules, () => new Fixture(harness));
}
