import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { sendCommands } from "../../tests/support/servers/resp.ts";
import {
  type Assignment,
  type EnqueueAssignment,
  type FillAssignment,
  type Findings,
  type IdleAssignment,
  type PickUpAssignment,
  type ProcessAssignment,
  readAssignment,
} from "./assignment.ts";
import { countCommands } from "./command_count.ts";
import type { Contestant } from "./contestant.ts";
import { runToEnd } from "../run_to_end.ts";
import { Tally } from "../tally.ts";

/** Milliseconds. */
interface Times {
  readonly time: number;
  readonly processorTime: number;
}

/** Milliseconds of work for the optimizing compilers, which are not measured. */
const WARM_UP = 1_000;
const FIRST_WARM_UP = 10_000;
const PICK_UPS_TO_WARM_UP = 50;
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
    case "fill":
      return fill(contestant, assignment);
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

async function fill(contestant: Contestant, { messages }: FillAssignment): Promise<Findings> {
  contestant.prepare?.(messages);
  await contestant.send("bulk", messages);
  return { times: [] };
}

async function enqueue(contestant: Contestant, assignment: EnqueueAssignment): Promise<Findings> {
  const { mode, messages } = assignment;
  await warmUp(messages, (count) => sendAll(contestant, assignment, count));
  const { time, processorTime } = await sendAll(contestant, assignment, messages);
  const tally = new Tally(messages);
  for (const index of await contestant.stored()) tally.add(index);
  const problem = tally.problem();
  return {
    times: [time],
    processorTimes: [processorTime],
    problem: problem && `After sending (${mode}) ${problem}`,
  };
}

async function sendAll(
  contestant: Contestant,
  { mode, server }: EnqueueAssignment,
  messages: number,
): Promise<Times> {
  await sendCommands(server, [["FLUSHALL"]]);
  contestant.prepare?.(messages);
  return await clock(() => contestant.send(mode, messages));
}

async function workOff(contestant: Contestant, assignment: ProcessAssignment): Promise<Findings> {
  const { messages, rounds } = assignment;
  const times: number[] = [];
  const processorTimes: number[] = [];
  let problem: string | undefined;
  await warmUp(messages, (count) => workOffOnce(contestant, assignment, count));
  for (let i = 0; i < rounds; i++) {
    const round = await workOffOnce(contestant, assignment, messages);
    times.push(round.time);
    processorTimes.push(round.processorTime);
    problem ??= round.problem;
  }
  return { times, processorTimes, problem };
}

async function workOffOnce(
  contestant: Contestant,
  assignment: ProcessAssignment,
  messages: number,
): Promise<Times & { problem: string | undefined }> {
  const { server, sendBatch, concurrency, filler } = assignment;
  await sendCommands(server, [["FLUSHALL"]]);
  const tally = new Tally(messages);
  const crew = await contestant.hire(concurrency, (index) => tally.add(index));
  const backlog: FillAssignment = { task: "fill", server, sendBatch, messages };
  await runToEnd([...filler, JSON.stringify(backlog)]);
  const times = await clock(async () => {
    crew.start();
    await tally.complete;
    await crew.settled();
  });
  const left = await contestant.left();
  await crew.close();
  const problem = tally.problem() ?? (left > 0 ? `${left} messages were not settled` : undefined);
  return { ...times, problem: problem && `After processing ${problem}` };
}

async function pickUp(contestant: Contestant, assignment: PickUpAssignment): Promise<Findings> {
  const { server, messages } = assignment;
  await sendCommands(server, [["FLUSHALL"]]);
  const times: number[] = [];
  let runs = 0;
  let started = 0;
  let ran = () => {};
  const crew = await contestant.hire(8, () => {
    started = performance.now();
    runs += 1;
    ran();
  });
  crew.start();
  for (let i = 0; i < messages + PICK_UPS_TO_WARM_UP; i++) {
    await delay(5 + Math.random() * 25);
    const done = new Promise<void>((resolve) => ran = resolve);
    const sent = performance.now();
    await contestant.send("serial", 1);
    await done;
    if (i >= PICK_UPS_TO_WARM_UP) times.push(started - sent);
  }
  await crew.settled();
  await crew.close();
  const expected = messages + PICK_UPS_TO_WARM_UP;
  return {
    times,
    problem: runs === expected ? undefined : `${runs} runs of ${expected} messages`,
  };
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

/** How long something takes, and how long it keeps a processor busy in this process. */
async function clock(work: () => Promise<void>): Promise<Times> {
  const processor = process.cpuUsage();
  const start = performance.now();
  await work();
  const time = performance.now() - start;
  const { user, system } = process.cpuUsage(processor);
  return { time, processorTime: (user + system) / 1_000 };
}

/** Does something with more and more messages until it has taken long enough. */
async function warmUp(most: number, work: (messages: number) => Promise<Times>): Promise<void> {
  let spent = 0;
  for (let messages = FIRST_WARM_UP; spent < WARM_UP; messages *= 2) {
    const { time } = await work(Math.min(messages, most));
    spent += time;
  }
}
