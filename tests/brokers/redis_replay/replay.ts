import { assertEquals, assertNotEquals } from "@std/assert";
import { until } from "../../support/servers/until.ts";
import { type Scenario, withTexts } from "./capture.ts";
import { DIFFERENCES, type ScenarioDifferences } from "./differences.ts";
import { assertSameDump, type Dump } from "./dump.ts";
import type { ScenarioStep, ScenarioSteps } from "./scenario_step.ts";
import { Fixture } from "./fixture.ts";

/**
 * Does all that a scenario did, and compares the whole database after each step.
 *
 * @param captured The scenario.
 * @param scenarioSteps How its steps are done here.
 * @param isControlled Whether other queues, actors and messages are controlled meanwhile.
 */
export async function replay(
  captured: Scenario,
  scenarioSteps: ScenarioSteps,
  isControlled = false,
): Promise<void> {
  const differences = DIFFERENCES[captured.scenario] ?? { steps: {} };
  const scenario = withMessages(captured, differences);
  await using fixture = await Fixture.open(scenario, isControlled);
  const steps = await scenarioSteps(fixture);
  assertEquals(steps.map(({ step }) => step), scenario.steps.map(({ step }) => step));

  let expected: Dump = {};
  for (const [i, step] of scenario.steps.entries()) {
    const name = `step ${i + 1}, ${step.step}`;
    const one = steps[i]!;
    const difference = differences.steps[i + 1];
    const theirs = step.keys === "unchanged" ? expected : withTexts(scenario, step.keys);
    expected = withTexts(scenario, difference?.keys?.(theirs) ?? theirs);
    const theirResult = step.raised?.type ?? step.returned;
    const result = difference?.returned === undefined
      ? theirResult
      : difference.returned(theirResult);
    if (difference !== undefined) assertNotEquals([expected, result], [theirs, theirResult], name);

    if (step.clock !== undefined) await fixture.moveClock(one.by, step.clock);
    const returned = await one.run(expected);
    await assertState(fixture, one, expected, name);
    assertEquals(fixture.notation.toReturned(returned), result, `what ${name} returned`);
  }
}

async function assertState(
  fixture: Fixture,
  { isAwaited, by }: ScenarioStep,
  keys: Dump,
  name: string,
) {
  if (isAwaited) {
    const isSo = async () => {
      await fixture.tick(by);
      assertSameDump(await fixture.read(), keys, name);
      return true;
    };
    // What is not so in the end is told below, as a comparison.
    await until(isSo, { what: `see what ${name} leaves`, timeout: 5_000 }).catch(() => {});
  }
  await fixture.rest();
  assertSameDump(await fixture.read(), keys, name);
}

function withMessages(scenario: Scenario, { messages = {} }: ScenarioDifferences): Scenario {
  return { ...scenario, messages: { ...scenario.messages, ...messages } };
}
