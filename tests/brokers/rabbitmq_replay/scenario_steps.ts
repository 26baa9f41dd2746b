import type { ScenarioSteps } from "./scenario_step.ts";
import { CONSUMING } from "./scenarios/consuming.ts";
import { DECLARING } from "./scenarios/declaring.ts";
import { LIVE } from "./scenarios/live.ts";
import { PUBLISHING } from "./scenarios/publishing.ts";
import { WORKING } from "./scenarios/working.ts";

/** Steps of each scenario, run here. */
export const SCENARIO_STEPS: Readonly<Record<string, ScenarioSteps>> = {
  ...DECLARING,
  ...PUBLISHING,
  ...CONSUMING,
  ...WORKING,
  ...LIVE,
};
