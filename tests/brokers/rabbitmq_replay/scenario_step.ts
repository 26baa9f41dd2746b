import type { Fixture } from "./fixture.ts";

/** Step of a scenario. */
export interface ScenarioStep {
  /** Its name in the capture. */
  readonly step: string;
  /** Does it; returns what the step returns. */
  run(): unknown;
}

/** Steps of a scenario here, on a new fixture. */
export type ScenarioSteps = (
  fixture: Fixture,
) => readonly ScenarioStep[] | Promise<readonly ScenarioStep[]>;

/** Says how a step is done. */
export function scenarioStep(step: string, run: ScenarioStep["run"] = () => {}): ScenarioStep {
  return { step, run };
}

/** Steps that only look at a queue are done for all scenarios in the same way. */
export function get(queueName: string): ScenarioStep {
  return scenarioStep(`basic_get from ${queueName}`);
}
