import type { Dump } from "./dump.ts";
import type { Fixture } from "./fixture.ts";

/** Step of a scenario. */
export interface ScenarioStep {
  /** Its name in the capture. */
  readonly step: string;
  /** Whose clock moves to the time of the step; the first broker's if it does not say. */
  readonly by: string | undefined;
  /** True if its effect comes by itself after `run`, so that it is waited for. */
  readonly isAwaited: boolean;
  /**
   * Does it.
   *
   * @param keys What is to be in the database afterwards.
   * @returns What the step returns.
   */
  run(keys: Dump): unknown;
}

/** Steps of a scenario here, on a new fixture. */
export type ScenarioSteps = (
  fixture: Fixture,
) => readonly ScenarioStep[] | Promise<readonly ScenarioStep[]>;

/** Options of {@linkcode scenarioStep}. */
export interface ScenarioStepOptions {
  /** The broker that does it. */
  by?: string;
  /** True if its effect comes by itself. */
  isAwaited?: boolean;
}

/** Says how a step is done. */
export function scenarioStep(
  step: string,
  run: ScenarioStep["run"],
  options: ScenarioStepOptions = {},
): ScenarioStep {
  return { step, run, by: options.by, isAwaited: options.isAwaited ?? false };
}
