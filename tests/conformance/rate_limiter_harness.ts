import { deadline } from "@std/async";
import type { RateLimiterBackend } from "@dq/dramatiq";
import { skip, test } from "../support/test.ts";

/** Where another process finds the storage of a backend. */
export interface BackendAddress {
  readonly kind: "redis" | "memcached";
  /** A URL, or host and port. */
  readonly address: string;
}

/** What the suite needs to know of a backend to test it. */
export interface RateLimiterBackendHarness {
  /** The class under test; each test's name begins with it. */
  readonly name: string;

  /** Makes a backend, which the suite closes. All share one storage. */
  open(): RateLimiterBackend | Promise<RateLimiterBackend>;

  /** Makes the storage forget a counter, as it does when its time is over. */
  forget(key: string): Promise<void>;

  /** Makes the storage forget that somebody is about to send the callbacks of a group. */
  endClaim(group: string): Promise<void>;

  /** Where other processes find the storage. */
  readonly address?: BackendAddress;

  /** Kills the server and starts it again. */
  restart?(): Promise<void>;

  /** Waits until a backend has set up all that it has to, to be told that a barrier is cleared. */
  untilWaiting?(): Promise<void>;

  /** Rules that this backend cannot follow, by key, each with the reason. */
  readonly skips?: Readonly<Record<string, string>>;
}

/** An optional ability of a harness. */
export type Ability = "address" | "restart" | "untilWaiting";

/** One rule that every backend follows. */
export interface Rule {
  /** The symbol, then the rule: the name of the test. */
  readonly rule: string;
  /** What the harness has to be able to do. Without it the rule must be skipped. */
  readonly needs?: Ability;
  /** Throws if the backend breaks the rule. */
  check(stage: Stage): Promise<void>;
}

/** Rules by the key under which a harness can skip them. */
export type Rules = Readonly<Record<string, Rule>>;

/** What one check may take. Far above any honest run: it is there to name what hangs. */
const LONGEST_CHECK = 60_000;

/** What one check works with: backends, and a key of its own. */
export class Stage implements AsyncDisposable {
  readonly harness: RateLimiterBackendHarness;
  /** A key that no other test has; others can be made from it. */
  readonly key: string = `conformance-${crypto.randomUUID()}`;
  readonly #backends: RateLimiterBackend[] = [];

  constructor(harness: RateLimiterBackendHarness) {
    this.harness = harness;
  }

  /** Makes a backend. A second one shares the storage of the first. */
  async open(): Promise<RateLimiterBackend> {
    const backend = await this.harness.open();
    this.#backends.push(backend);
    return backend;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const backend of this.#backends) await backend.close();
  }
}

/**
 * Declares one test for each rule, or one that says why it is skipped.
 *
 * @throws {TypeError} If a skip names no rule, or a rule needs an ability that the
 *   harness lacks and does not skip.
 */
export function declareTests(harness: RateLimiterBackendHarness, rules: Rules): void {
  const { name, skips = {} } = harness;
  const strange = Object.keys(skips).filter((key) => !Object.hasOwn(rules, key));
  if (strange.length > 0) {
    throw new TypeError(`Cannot test ${name}: it skips rules that are unknown: ${strange}`);
  }
  for (const [key, { rule, needs, check }] of Object.entries(rules)) {
    const title = `${name}: ${rule}`;
    const reason = skips[key];
    if (reason !== undefined) {
      skip(title, reason);
      continue;
    }
    if (needs !== undefined && harness[needs] === undefined) {
      throw new TypeError(
        `Cannot test ${name}: rule ${key} needs ${needs}; give that to the harness, or skip the ` +
          "rule with a reason",
      );
    }
    test(title, async () => {
      await using stage = new Stage(harness);
      await deadline(check(stage), LONGEST_CHECK);
    });
  }
}
