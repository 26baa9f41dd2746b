/**
 * Every contestant is measured by this code, whatever the server.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { Arrivals } from "../arrivals.ts";
import type { Contestant, CrewSize } from "./contestant.ts";
import type { Findings } from "./findings.ts";
import type { Ground } from "./ground.ts";

/** Milliseconds. */
interface Times {
  readonly time: number;
  readonly processorTime: number;
  /** That of the server. */
  readonly serverTime: number;
}

/** Milliseconds of work for the optimizing compilers, which are not measured. */
const WARM_UP = 1_000;
const PICK_UPS_TO_WARM_UP = 50;
/** Of a worker that has little to do. The prefetch is what a worker has by default. */
export const IDLE_CREW: CrewSize = { concurrency: 8, prefetch: 16 };

/** Measures the time to send messages, until the server has confirmed the last. */
export async function measureSending<Mode extends string>(
  contestant: Contestant<Mode>,
  ground: Ground,
  mode: Mode,
  messages: number,
): Promise<Findings> {
  const sendAll = async (count: number) => {
    await ground.clear();
    contestant.prepare?.(count);
    return await clock(ground, () => contestant.send(mode, count));
  };
  await warmUp(ground.firstWarmUp, messages, sendAll);
  const { time, processorTime, serverTime } = await sendAll(messages);
  const arrivals = new Arrivals(messages);
  for (const index of await ground.stored()) arrivals.add(index);
  const problem = arrivals.problem();
  return {
    times: [time],
    processorTimes: [processorTime],
    serverTimes: [serverTime],
    problem: problem && `After sending (${mode}) ${problem}`,
  };
}

/** Load to work off, and by how many. */
export interface Load extends CrewSize {
  /** Of each backlog. */
  readonly messages: number;
  /** Number of backlogs, one after the other. */
  readonly rounds: number;
}

/** Measures the time to work off a backlog, until the last message has run and is settled. */
export async function measureProcessing(
  contestant: Pick<Contestant<string>, "hire">,
  ground: Ground,
  { messages, rounds, ...size }: Load,
): Promise<Findings> {
  const times: number[] = [];
  const processorTimes: number[] = [];
  const serverTimes: number[] = [];
  let problem: string | undefined;
  const workOff = async (count: number) => {
    const round = await workOffOnce(contestant, ground, size, count);
    problem ??= round.problem;
    return round;
  };
  await warmUp(ground.firstWarmUp, messages, workOff);
  for (let i = 0; i < rounds; i++) {
    const { time, processorTime, serverTime } = await workOff(messages);
    times.push(time);
    processorTimes.push(processorTime);
    serverTimes.push(serverTime);
  }
  return { times, processorTimes, serverTimes, problem };
}

async function workOffOnce(
  contestant: Pick<Contestant<string>, "hire">,
  ground: Ground,
  size: CrewSize,
  messages: number,
): Promise<Times & { problem: string | undefined }> {
  await ground.clear();
  const arrivals = new Arrivals(messages);
  const crew = await contestant.hire(size, (index) => arrivals.add(index));
  await ground.fill(messages);
  const times = await clock(ground, async () => {
    await crew.start();
    await arrivals.complete;
    await crew.settled();
  });
  const left = await ground.dismiss(crew);
  const problem = arrivals.problem() ??
    (left > 0 ? `${left} messages were not settled` : undefined);
  return { ...times, problem: problem && `After processing ${problem}` };
}

/** Measures the time of messages from just before `send` to the start of the actor of an idle worker. */
export async function measurePickUp(
  contestant: Contestant<"serial">,
  ground: Ground,
  messages: number,
): Promise<Findings> {
  await ground.clear();
  const times: number[] = [];
  let runs = 0;
  let started = 0;
  let ran = () => {};
  const crew = await contestant.hire(IDLE_CREW, () => {
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
  return { times, problem };
}

/** Measures how long something takes, and how long it keeps a processor busy in this process. */
async function clock(ground: Ground, work: () => Promise<void>): Promise<Times> {
  const server = ground.serverTime?.() ?? NaN;
  const processor = process.cpuUsage();
  const start = performance.now();
  await work();
  const time = performance.now() - start;
  const { user, system } = process.cpuUsage(processor);
  const serverTime = (ground.serverTime?.() ?? NaN) - server;
  return { time, processorTime: (user + system) / 1_000, serverTime };
}

/** Does something with more and more messages until it has taken long enough. */
async function warmUp(
  first: number,
  most: number,
  work: (messages: number) => Promise<Times>,
): Promise<void> {
  let spent = 0;
  for (let messages = first; spent < WARM_UP; messages *= 2) {
    const { time } = await work(Math.min(messages, most));
    spent += time;
  }
}
