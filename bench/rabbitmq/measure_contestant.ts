import type { Contestant } from "../contest/contestant.ts";
import type { Findings } from "../contest/findings.ts";
import { measurePickUp, measureProcessing, measureSending } from "../contest/measurements.ts";
import {
  type Assignment,
  type FillAssignment,
  readAssignment,
  type SendMode,
} from "./assignment.ts";
import { RabbitmqGround } from "./ground.ts";

/**
 * Does what this process was started for and prints what it found.
 *
 * @param open Makes the contestant.
 */
export async function measureContestant(
  open: (assignment: Assignment) => Contestant<SendMode> | Promise<Contestant<SendMode>>,
): Promise<void> {
  const assignment = readAssignment();
  const ground = await RabbitmqGround.open(assignment);
  const contestant = await open(assignment);
  const findings = await carryOut(contestant, assignment, ground);
  await contestant.close();
  await ground.close();
  console.log(JSON.stringify(findings));
}

function carryOut(
  contestant: Contestant<SendMode>,
  assignment: Assignment,
  ground: RabbitmqGround,
): Promise<Findings> {
  switch (assignment.task) {
    case "fill":
      return fill(contestant, assignment);
    case "publish":
      return measureSending(contestant, ground, assignment.mode, assignment.messages);
    case "consume":
      return measureProcessing(contestant, ground, { ...assignment, rounds: 1 });
    case "pickUp":
      return measurePickUp(contestant, ground, assignment.messages);
  }
}

async function fill(
  contestant: Contestant<SendMode>,
  { messages }: FillAssignment,
): Promise<Findings> {
  contestant.prepare?.(messages);
  await contestant.send("concurrent", messages);
  return { times: [] };
}
