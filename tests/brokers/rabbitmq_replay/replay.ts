import { assertEquals, assertNotEquals } from "@std/assert";
import { until } from "../../support/servers/until.ts";
import { withEnvironment } from "../../support/environment.ts";
import { comparedCalls } from "./calls.ts";
import type { Observed, Scenario, Step } from "./capture.ts";
import { DIFFERENCES } from "./differences.ts";
import type { Play, Plays } from "./play.ts";
import { Stage } from "./stage.ts";
import type { Theatre } from "./theatre.ts";

/** What the environment was in a scenario. */
const ENVIRONMENTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "dead-message-ttl-env": { dramatiq_dead_message_ttl: "1500" },
};

/**
 * Does all that a scenario did, and compares all that was observed.
 *
 * @param scenario The scenario.
 * @param plays How its steps are done here.
 * @param theatre A server that nobody else uses.
 */
export async function replay(scenario: Scenario, plays: Plays, theatre: Theatre): Promise<void> {
  await withEnvironment(ENVIRONMENTS[scenario.scenario] ?? {}, async () => {
    await using stage = await Stage.open(scenario, theatre);
    const steps = await plays(stage);
    assertEquals(steps.map(({ step }) => step), scenario.steps.map(({ step }) => step));
    for (const [i, step] of scenario.steps.entries()) {
      const name = `step ${i + 1}, ${step.step}`;
      await replayStep(stage, steps[i]!, expectedOf(scenario, i, name), name);
    }
  });
}

/** What is to be observed of a step: what was in Python, but for the differences. */
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
  stage: Stage,
  one: Play,
  { returned, raised, list_queues, message, order, ...rest }: Observed,
  name: string,
): Promise<void> {
  await stage.rest();
  stage.begin();
  if (message !== undefined) return await assertGot(stage, one.step, message, name);
  const outcome = await run(stage, one);
  await assertObserved(stage, rest, name);
  if (list_queues !== undefined) assertEquals(await stage.theatre.listQueues(), list_queues, name);
  const expected = raised === undefined ? order ?? returned : `raises ${raised.type}`;
  if (expected !== undefined) assertEquals(outcome, expected, `what ${name} returned`);
}

async function run(stage: Stage, one: Play): Promise<unknown> {
  try {
    return stage.toPlaceholders(await one.run());
  } catch (error) {
    return `raises ${(error as Error).name}`;
  }
}

async function assertGot(
  stage: Stage,
  step: string,
  expected: Observed["message"],
  name: string,
): Promise<void> {
  const [, queueName] = /^basic_get from (\S+)$/.exec(step)!;
  const isThere = async () => (await stage.theatre.counts()).get(queueName!)!.ready > 0;
  await until(isThere, { what: `see a message on ${queueName}` });
  assertEquals(await stage.get(queueName!), expected, name);
}

async function assertObserved(stage: Stage, expected: Observed, name: string): Promise<void> {
  const isSo = async () => {
    assertEquals(await stage.observe(expected), expected, name);
    return true;
  };
  // What is not so in the end is told below, as a comparison.
  await until(isSo, { what: `see what ${name} leaves`, timeout: 5_000 }).catch(() => {});
  await stage.rest();
  await isSo();
}
