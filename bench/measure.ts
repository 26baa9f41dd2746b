import process from "node:process";

/** Work to measure. */
export interface Task {
  /** Name in the table. */
  readonly name: string;
  /** Messages in one run. */
  readonly messages: number;
  /** Does it once. */
  run(): Promise<void> | void;
}

/** Measurement. */
export interface Measurement {
  /** Name of what was done. */
  readonly name: string;
  /** Microseconds a message, in the median run. */
  readonly microseconds: number;
  /** The same in the fastest run, with the least of what else the machine was doing. */
  readonly fastest: number;
}

/**
 * Runs a task until the optimizing compilers have seen it, then some times more.
 *
 * @param task What to measure.
 * @param runs How many runs count.
 * @returns The time a message takes.
 */
export async function measure(task: Task, runs = 9): Promise<Measurement> {
  const times: number[] = [];
  for (let i = -3; i < runs; i++) {
    const start = performance.now();
    await task.run();
    const elapsed = performance.now() - start;
    if (i >= 0) times.push(elapsed);
  }
  times.sort((a, b) => a - b);
  const perMessage = (time: number) => time * 1_000 / task.messages;
  return {
    name: task.name,
    microseconds: perMessage(times[times.length >> 1]!),
    fastest: perMessage(times[0]!),
  };
}

/** Prints one line of a table. */
export function print({ name, microseconds, fastest }: Measurement): void {
  const columns = [microseconds, fastest].map((time) => time.toFixed(2).padStart(9));
  console.log(`${name.padEnd(44)}${columns.join("")}`);
}

/** The runtime and its version, for the head of a table. */
export function runtimeVersion(): string {
  const { deno, bun, node } = process.versions as Record<string, string | undefined>;
  if (deno !== undefined) return `Deno ${deno}`;
  return bun !== undefined ? `Bun ${bun}` : `Node ${node}`;
}
