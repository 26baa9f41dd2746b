import type { ScenarioSteps } from "./scenario_step.ts";
import { DELAYING } from "./scenarios/delaying.ts";
import { LIVE } from "./scenarios/live.ts";
import { MAINTAINING } from "./scenarios/maintaining.ts";
import { SENDING } from "./scenarios/sending.ts";
import { SETTLING } from "./scenarios/settling.ts";
import { WORKING } from "./scenarios/working.ts";

/** Steps of each scenario, run here. */
export const SCENARIO_STEPS: Readonly<Record<string, ScenarioSteps>> = {
  ...SENDING,
  ...DELAYING,
  ...SETTLING,
  ...MAINTAINING,
  ...WORKING,
  ...LIVE,
};
