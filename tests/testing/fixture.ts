import { TestBroker, type TestBrokerOptions } from "@dq/dramatiq/testing";
import { test } from "../support/test.ts";

/** Runs a test with a broker that is closed at its end. */
export function testWith(
  name: string,
  body: (kit: TestBroker) => Promise<void>,
  options: TestBrokerOptions = {},
): void {
  test(name, async () => {
    await using kit = new TestBroker(options);
    await body(kit);
  });
}

/** Outcomes of runs, in order. */
export function outcomes(runs: readonly { outcome: string }[]): string[] {
  return runs.map(({ outcome }) => outcome);
}
