/** Something whose duration is measured. */
export interface Timed {
  /** Name in the table. */
  readonly name: string;
  /** Does it once; may give the milliseconds itself, if it took others to prepare. */
  run(sample: number): Promise<number | void>;
}

/** Duration, in milliseconds. */
export interface Latency {
  readonly name: string;
  readonly p50: number;
  readonly p95: number;
}

/** Samples before those that count: compilers and connections warm up. */
const WARM_UP = 50;

/**
 * Measures some things in turns.
 *
 * @param title What the table is about.
 * @param tasks What to measure.
 * @param samples How often.
 * @returns How long each took, which is printed, too.
 */
export async function measureLatencies(
  title: string,
  tasks: readonly Timed[],
  samples: number,
): Promise<Latency[]> {
  const times: number[][] = tasks.map(() => []);
  for (let sample = -WARM_UP; sample < samples; sample++) {
    for (const [i, task] of tasks.entries()) {
      const start = performance.now();
      const own = await task.run(sample + WARM_UP);
      const time = own ?? performance.now() - start;
      if (sample >= 0) times[i]!.push(time);
    }
  }
  const latencies = tasks.map(({ name }, i) => toLatency(name, times[i]!));
  console.log(line(title, ["p50", "p95"]));
  for (const { name, p50, p95 } of latencies) {
    console.log(line(`  ${name}`, [p50.toFixed(3), p95.toFixed(3)]));
  }
  console.log();
  return latencies;
}

function toLatency(name: string, times: readonly number[]): Latency {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)]!;
  return { name, p50: at(0.5), p95: at(0.95) };
}

function line(name: string, columns: readonly string[]): string {
  return name.padEnd(52) + columns.map((column) => column.padStart(10)).join("");
}
