import { setTimeout as delay } from "node:timers/promises";
import type { Findings } from "../contest/findings.ts";
import {
  IDLE_CREW,
  measurePickUp,
  measureProcessing,
  measureSending,
} from "../contest/measurements.ts";
import { Arrivals } from "../arrivals.ts";
import {
  type Assignment,
  type FillAssignment,
  type IdleAssignment,
  readAssignment,
} from "./assignment.ts";
import { countCommands } from "./command_count.ts";
import type { RedisContestant } from "./contestant.ts";
import { RedisGround } from "./ground.ts";

/** Milliseconds after which a worker with nothing to do has gone to sleep. */
const SETTLING = 1_500;

/**
 * Does what this process was started for and prints what it found.
 *
 * @param open Makes the contestant.
 */
export async function measureContestant(
  open: (assignment: Assignment) => RedisContestant | Promise<RedisContestant>,
): Promise<void> {
  const assignment = readAssignment();
  const contestant = await open(assignment);
  const findings = await carryOut(contestant, assignment);
  await contestant.close();
  console.log(JSON.stringify(findings));
}

function carryOut(contestant: RedisContestant, assignment: Assignment): Promise<Findings> {
  const ground = new RedisGround(contestant, assignment);
  switch (assignment.task) {
    case "fill":
      return fill(contestant, assignment);
    case "enqueue":
      return measureSending(contestant, ground, assignment.mode, assignment.messages);
    case "process":
      return measureProcessing(contestant, ground, assignment);
    case "pickUp":
      return measurePickUp(contestant, ground, assignment.messages);
    case "idle":
      return idle(contestant, ground, assignment);
  }
}

async function fill(contestant: RedisContestant, { messages }: FillAssignment): Promise<Findings> {
  contestant.prepare?.(messages);
  await contestant.send("bulk", messages);
  return { times: [] };
}

async function idle(
  contestant: RedisContestant,
  ground: RedisGround,
  { server, seconds }: IdleAssignment,
): Promise<Findings> {
  await ground.clear();
  const arrivals = new Arrivals(10);
  const crew = await contestant.hire(IDLE_CREW, (index) => arrivals.add(index));
  await crew.start();
  await contestant.send("bulk", 10);
  await arrivals.complete;
  await crew.settled();
  await delay(SETTLING);
  const commands = await countCommands(server, seconds);
  await crew.close();
  return { times: [], commands, problem: arrivals.problem() };
}
