import process from "node:process";
import { deadline } from "@std/async";
import { skip, test } from "../support/test.ts";

/** One rule that every implementation follows. */
export interface Rule<Fixture, Ability extends string> {
  /** The symbol, then the rule: the name of the test. */
  readonly rule: string;
  /** Ability that the harness has to be able to do. Without it the rule must be skipped. */
  readonly needs?: Ability;
  /** Throws if the implementation breaks the rule. */
  check(fixture: Fixture): Promise<void>;
}

/** Rules by the key under which a harness can skip them. */
export type RulesOf<Fixture, Ability extends string> = Readonly<
  Record<string, Rule<Fixture, Ability>>
>;

/** Facts about the implementation, in every harness. */
export interface Harness {
  /** The class under test; each test's name begins with it. */
  readonly name: string;
  /** Rules that it cannot follow, by key, each with the reason. */
  readonly skips?: Readonly<Record<string, string>>;
}

/** Longest time of a check. Far above any honest run: it is there to name what hangs. */
const LONGEST_CHECK = Math.min(60_000, Number(process.env["TEST_TIMEOUT"] ?? Infinity));

/**
 * Declares one test for each rule, or one that says why it is skipped.
 *
 * @param harness The implementation, and how to look at it from outside.
 * @param rules What it has to follow.
 * @param setFixture Makes what one check works with; it is disposed after the check.
 * @throws {TypeError} If a skip names no rule, or a rule needs an ability that the
 *   harness lacks and does not skip.
 */
export function declareTests<Fixture extends AsyncDisposable, Ability extends string>(
  harness: Harness & { readonly [A in Ability]?: unknown },
  rules: RulesOf<Fixture, Ability>,
  setFixture: () => Fixture,
): void {
  const { name, skips = {} } = harness;
  const strange = Object.keys(skips).filter((key) => !Object.hasOwn(rules, key));
  if (strange.length > 0) {
    throw new TypeError(
      `Cannot test ${name}: it skips rules that are unknown: ${strange.join(", ")}`,
    );
  }
  for (const [key, { needs }] of Object.entries(rules)) {
    if (needs === undefined || harness[needs] !== undefined || skips[key] !== undefined) continue;
    throw new TypeError(
      `Cannot test ${name}: rule ${key} needs ${needs}; give that to the harness, or skip the ` +
        "rule with a reason",
    );
  }

  for (const [key, { rule, check }] of Object.entries(rules)) {
    const title = `${name}: ${rule}`;
    const reason = skips[key];
    if (reason !== undefined) {
      skip(title, reason);
      continue;
    }
    test(title, async () => {
      await using fixture = setFixture();
      await deadline(check(fixture), LONGEST_CHECK);
    });
  }
}
