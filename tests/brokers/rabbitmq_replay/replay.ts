import { assertEquals, assertNotEquals } from "@std/assert";
import { until } from "../../support/servers/until.ts";
import { withEnvironment } from "../../support/environment.ts";
import { comparedCalls } from "./calls.ts";
import type { Observed, Scenario, Step } from "./capture.ts";
import { DIFFERENCES } from "./differences.ts";
import type { ScenarioStep, ScenarioSteps } from "./scenario_step.ts";
import { Fixture } from "./fixture.ts";
import type { InspectedServer } from "./inspected_server.ts";

/** Environment in a scenario. */
const ENVIRONMENTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "dead-message-ttl-env": { dramatiq_dead_message_ttl: "1500" },
};

/**
 * Does all that a scenario did, and compares all that was observed.
 *
 * @param scenario The scenario.
 * @param scenarioSteps How its steps are done here.
 * @param inspectedServer A server that nobody else uses.
 */
export async function replay(
  scenario: Scenario,
  scenarioSteps: ScenarioSteps,
  inspectedServer: InspectedServer,
): Promise<void> {
  await withEnvironment(ENVIRONMENTS[scenario.scenario] ?? {}, async () => {
    await using fixture = await Fixture.open(scenario, inspectedServer);
    const steps = await scenarioSteps(fixture);
    assertEquals(steps.map(({ step }) => step), scenario.steps.map(({ step }) => step));
    for (const [i, step] of scenario.steps.entries()) {
      const name = `step ${i + 1}, ${step.step}`;
      await replayStep(fixture, steps[i]!, expectedOf(scenario, i, name), name);
    }
  });
}

/** Expected observations of a step: what was in Python, but for the differences. */
function expectedOf({ scenario, steps }: Scenario, index: number, name: string): Observed {
  const theirs = comparable(steps[index]!);
  const difference = DIFFERENCES[scenario]?.[index + 1];
  if (difference === undefined) return theirs;
  const all: Record<string, unknown> = { ...theirs, ...difference.observed };
  for (const [key, value] of Object.entries(all)) if (value === undefined) delete all[key];
  assertNotEquals(all, { ...theirs }, `${name} is no difference`);
  return all;
}

function comparable({ step: _step, with: _with, ...observed }: Step): Observed {
  const { amqp_calls, list_queues } = observed;
  return {
    ...observed,
    ...(amqp_calls && { amqp_calls: comparedCalls(amqp_calls) }),
    ...(list_queues && { list_queues: list_queues.toSorted((a, b) => a.name < b.name ? -1 : 1) }),
  };
}

async function replayStep(
  fixture: Fixture,
  one: ScenarioStep,
  { returned, raised, list_queues, message, order, ...rest }: Observed,
  name: string,
): Promise<void> {
  await fixture.rest();
  fixture.begin();
  if (message !== undefined) return await assertGot(fixture, one.step, message, name);
  const outcome = await run(fixture, one);
  await assertObserved(fixture, rest, name);
  if (list_queues !== undefined) {
    assertEquals(await fixture.inspectedServer.listQueues(), list_queues, name);
  }
  const expected = raised === undefined ? order ?? returned : `raises ${raised.type}`;
  if (expected !== undefined) assertEquals(outcome, expected, `what ${name} returned`);
}

async function run(fixture: Fixture, one: ScenarioStep): Promise<unknown> {
  try {
    return fixture.toPlaceholders(await one.run());
  } catch (error) {
    return `raises ${(error as Error).name}`;
  }
}

async function assertGot(
  fixture: Fixture,
  step: string,
  expected: Observed["message"],
  name: string,
): Promise<void> {
  const [, queueName] = /^basic_get from (\S+)$/.exec(step)!;
  const isThere = async () => (await fixture.inspectedServer.counts()).get(queueName!)!.ready > 0;
  await until(isThere, { what: `see a message on ${queueName}` });
  assertEquals(await fixture.get(queueName!), expected, name);
}

async function assertObserved(fixture: Fixture, expected: Observed, name: string): Promise<void> {
  const isSo = async () => {
    assertEquals(await fixture.observe(expected), expected, name);
    return true;
  };
  // What is not so in the end is told below, as a comparison.
  await until(isSo, { what: `see what ${name} leaves`, timeout: 5_000 }).catch(() => {});
  await fixture.rest();
  await isSo();
}
