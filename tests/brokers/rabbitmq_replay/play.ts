import type { Stage } from "./stage.ts";

/** How one step is done here. */
export interface Play {
  /** Its name in the capture. */
  readonly step: string;
  /** Does it; returns what the step returns. */
  run(): unknown;
}

/** How the steps of a scenario are done here, on a new stage. */
export type Plays = (stage: Stage) => readonly Play[] | Promise<readonly Play[]>;

/** Says how a step is done. */
export function play(step: string, run: Play["run"] = () => {}): Play {
  return { step, run };
}

/** Steps that only look at a queue are done for all scenarios in the same way. */
export function get(queueName: string): Play {
  return play(`basic_get from ${queueName}`);
}
