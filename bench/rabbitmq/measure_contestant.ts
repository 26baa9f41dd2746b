import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { runToEnd } from "../run_to_end.ts";
import { Tally } from "../tally.ts";
import {
  type Assignment,
  type ConsumeAssignment,
  type FillAssignment,
  type Findings,
  type PickUpAssignment,
  type PublishAssignment,
  readAssignment,
} from "./assignment.ts";
import type { Contestant } from "./contestant.ts";
import { Witness } from "./witness.ts";

/** Milliseconds. */
interface Times {
  readonly time: number;
  readonly processorTime: number;
}

/** Milliseconds of work for the optimizing compilers, which are not measured. */
const WARM_UP = 1_000;
const FIRST_WARM_UP = 2_000;
const PICK_UPS_TO_WARM_UP = 50;
const IDLE_CONCURRENCY = 8;

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
  const witness = await Witness.open(assignment.url);
  const contestant = await open(assignment);
  const findings = await carryOut(contestant, assignment, witness);
  await contestant.close();
  await witness.close();
  console.log(JSON.stringify(findings));
}

function carryOut(
  contestant: Contestant,
  assignment: Assignment,
  witness: Witness,
): Promise<Findings> {
  switch (assignment.task) {
    case "fill":
      return fill(contestant, assignment);
    case "publish":
      return publish(contestant, assignment, witness);
    case "consume":
      return consume(contestant, assignment, witness);
    case "pickUp":
      return pickUp(contestant, assignment, witness);
  }
}

async function fill(contestant: Contestant, { messages }: FillAssignment): Promise<Findings> {
  contestant.prepare?.(messages);
  await contestant.send("concurrent", messages);
  return { times: [], processorTime: 0 };
}

async function publish(
  contestant: Contestant,
  { mode, messages }: PublishAssignment,
  witness: Witness,
): Promise<Findings> {
  const sendAll = async (count: number) => {
    await witness.purge();
    contestant.prepare?.(count);
    return await clock(() => contestant.send(mode, count));
  };
  await warmUp(messages, sendAll);
  const { time, processorTime } = await sendAll(messages);
  const tally = new Tally(messages);
  for (const index of await witness.takeAll()) tally.add(index);
  const problem = tally.problem();
  return { times: [time], processorTime, problem: problem && `After publishing ${problem}` };
}

async function consume(
  contestant: Contestant,
  assignment: ConsumeAssignment,
  witness: Witness,
): Promise<Findings> {
  const { messages } = assignment;
  let problem: string | undefined;
  const workOff = async (count: number) => {
    const round = await workOffOnce(contestant, { ...assignment, messages: count }, witness);
    problem ??= round.problem;
    return round;
  };
  await warmUp(messages, workOff);
  const { time, processorTime } = await workOff(messages);
  return { times: [time], processorTime, problem };
}

async function workOffOnce(
  contestant: Contestant,
  { url, messages, concurrency, prefetch, filler }: ConsumeAssignment,
  witness: Witness,
): Promise<Times & { problem: string | undefined }> {
  await witness.purge();
  const tally = new Tally(messages);
  const crew = await contestant.hire(concurrency, prefetch, (index) => tally.add(index));
  const backlog: FillAssignment = { task: "fill", url, messages };
  await runToEnd([...filler, JSON.stringify(backlog)]);
  const times = await clock(async () => {
    await crew.start();
    await tally.complete;
    await crew.settled();
  });
  await crew.close();
  const left = await witness.count();
  const problem = tally.problem() ?? (left > 0 ? `${left} messages were not settled` : undefined);
  return { ...times, problem: problem && `After consuming ${problem}` };
}

async function pickUp(
  contestant: Contestant,
  { messages }: PickUpAssignment,
  witness: Witness,
): Promise<Findings> {
  await witness.purge();
  const times: number[] = [];
  let runs = 0;
  let started = 0;
  let ran = () => {};
  const crew = await contestant.hire(IDLE_CONCURRENCY, 2 * IDLE_CONCURRENCY, () => {
    started = performance.now();
    runs += 1;
    ran();
  });
  await crew.start();
  for (let i = 0; i < messages + PICK_UPS_TO_WARM_UP; i++) {
    await delay(5 + Math.random() * 25);
    const done = new Promise<void>((resolve) => ran = resolve);
    contestant.prepare?.(1);
    const sent = performance.now();
    await contestant.send("serial", 1);
    await done;
    if (i >= PICK_UPS_TO_WARM_UP) times.push(started - sent);
  }
  await crew.settled();
  await crew.close();
  const expected = messages + PICK_UPS_TO_WARM_UP;
  const problem = runs === expected ? undefined : `${runs} runs of ${expected} messages`;
  return { times, processorTime: 0, problem };
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
