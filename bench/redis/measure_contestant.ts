import { setTimeout as delay } from "node:timers/promises";
import { sendCommands } from "../../tests/support/servers/resp.ts";
import {
  type Assignment,
  type EnqueueAssignment,
  type Findings,
  type IdleAssignment,
  type PickUpAssignment,
  type ProcessAssignment,
  readAssignment,
} from "./assignment.ts";
import { countCommands } from "./command_count.ts";
import type { Contestant } from "./contestant.ts";
import { Tally } from "./tally.ts";

/** Messages for the optimizing compilers, at most. They are not measured. */
const MOST_WARM_UP = 20_000;
/** Milliseconds after which a worker with nothing to do has gone to sleep. */
const SETTLING = 1_500;

/**
 * Does what this process was started for and prints what it found. Every contestant
 * is measured by this code.
 *
 * @param open Makes the contestant.
 */
export async function measureContestant(
  open: (assignment: Assignment) => Contestant | Promise<Contestant>,
): Promise<void> {
  const assignment = readAssignment();
  const contestant = await open(assignment);
  const findings = await carryOut(contestant, assignment);
  await contestant.close();
  console.log(JSON.stringify(findings));
}

function carryOut(contestant: Contestant, assignment: Assignment): Promise<Findings> {
  switch (assignment.task) {
    case "enqueue":
      return enqueue(contestant, assignment);
    case "process":
      return workOff(contestant, assignment);
    case "pickUp":
      return pickUp(contestant, assignment);
    case "idle":
      return idle(contestant, assignment);
  }
}

async function enqueue(contestant: Contestant, assignment: EnqueueAssignment): Promise<Findings> {
  const { mode, messages } = assignment;
  await sendAll(contestant, assignment, warmUp(messages));
  const time = await sendAll(contestant, assignment, messages);
  const tally = new Tally(messages);
  for (const index of await contestant.stored()) tally.add(index);
  const problem = tally.problem();
  return { times: [time], problem: problem && `After sending (${mode}) ${problem}` };
}

async function sendAll(
  contestant: Contestant,
  { mode, server }: EnqueueAssignment,
  messages: number,
): Promise<number> {
  await sendCommands(server, [["FLUSHALL"]]);
  contestant.prepare?.(messages);
  const start = performance.now();
  await contestant.send(mode, messages);
  return performance.now() - start;
}

async function workOff(contestant: Contestant, assignment: ProcessAssignment): Promise<Findings> {
  const { messages, rounds } = assignment;
  const times: number[] = [];
  let { problem } = await workOffOnce(contestant, assignment, warmUp(messages));
  for (let i = 0; i < rounds; i++) {
    const round = await workOffOnce(contestant, assignment, messages);
    times.push(round.time);
    problem ??= round.problem;
  }
  return { times, problem };
}

async function workOffOnce(
  contestant: Contestant,
  { server, concurrency }: ProcessAssignment,
  messages: number,
): Promise<{ time: number; problem: string | undefined }> {
  await sendCommands(server, [["FLUSHALL"]]);
  const tally = new Tally(messages);
  const crew = await contestant.hire(concurrency, (index) => tally.add(index));
  contestant.prepare?.(messages);
  await contestant.send("bulk", messages);
  const start = performance.now();
  crew.start();
  await tally.complete;
  await crew.settled();
  const time = performance.now() - start;
  const left = await contestant.left();
  await crew.close();
  const problem = tally.problem() ?? (left > 0 ? `${left} messages were not settled` : undefined);
  return { time, problem: problem && `After processing ${problem}` };
}

async function pickUp(contestant: Contestant, assignment: PickUpAssignment): Promise<Findings> {
  const { server, messages } = assignment;
  await sendCommands(server, [["FLUSHALL"]]);
  const times: number[] = [];
  const tally = new Tally(messages);
  let started = 0;
  let ran = () => {};
  const crew = await contestant.hire(8, () => {
    started = performance.now();
    ran();
  });
  crew.start();
  for (let i = -20; i < messages; i++) {
    await delay(5 + Math.random() * 25);
    const done = new Promise<void>((resolve) => ran = resolve);
    const sent = performance.now();
    await contestant.send("serial", 1);
    await done;
    if (i < 0) continue; // warms up
    times.push(started - sent);
    tally.add(i);
  }
  await crew.settled();
  await crew.close();
  return { times, problem: tally.problem() };
}

async function idle(contestant: Contestant, assignment: IdleAssignment): Promise<Findings> {
  const { server, seconds } = assignment;
  await sendCommands(server, [["FLUSHALL"]]);
  const tally = new Tally(10);
  const crew = await contestant.hire(8, (index) => tally.add(index));
  crew.start();
  await contestant.send("bulk", 10);
  await tally.complete;
  await crew.settled();
  await delay(SETTLING);
  const commands = await countCommands(server, seconds);
  await crew.close();
  return { times: [], commands, problem: tally.problem() };
}

function warmUp(messages: number): number {
  return Math.min(MOST_WARM_UP, Math.ceil(messages / 5));
}
