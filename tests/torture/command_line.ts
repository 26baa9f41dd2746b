import process from "node:process";
import { parseArgs } from "node:util";
import { runtimeVersion } from "../../bench/measure.ts";
import { formatReport } from "./report.ts";
import { torture, type TortureOptions } from "./torture.ts";
import type { Target } from "./target.ts";

/** Defaults of a program: what it does unless its command line says otherwise. */
export interface CommandLineDefaults {
  readonly messages: number;
  readonly seconds: number;
  readonly faults: number;
  /** Milliseconds after which a silent worker loses what it had. */
  readonly heartbeat: number;
  /** Milliseconds by which messages are delayed, at most. */
  readonly longestDelay: number;
  /** Milliseconds by which the clock of the first worker is ahead. */
  readonly clockError: number;
}

/** Other options of the command line. */
export interface CommandLine {
  readonly options: TortureOptions;
  /** True if the server is to keep nothing on disk. */
  readonly isForgetful: boolean;
}

/** Tortures as the command line says, prints what came of it, and sets the exit code. */
export async function tortureByCommandLine(
  defaults: CommandLineDefaults,
  open: (line: CommandLine) => Promise<Target>,
): Promise<void> {
  const line = readCommandLine(defaults);
  console.log(`${runtimeVersion()}, ${JSON.stringify(line.options)}\n`);
  const report = await torture(line.options, () => open(line));
  console.log(formatReport(report));
  process.exitCode = report.failures.length === 0 ? 0 : 1;
}

function readCommandLine(defaults: CommandLineDefaults): CommandLine {
  const text = (value: string | number) => ({ type: "string", default: `${value}` }) as const;
  const { values } = parseArgs({
    options: {
      messages: text(defaults.messages),
      seconds: text(defaults.seconds),
      seed: text(Math.floor(Math.random() * 2 ** 31)),
      faults: text(defaults.faults),
      workers: text(4),
      producers: text(2),
      heartbeat: text(defaults.heartbeat),
      delay: text(defaults.longestDelay),
      forgetful: { type: "boolean", default: false },
    },
  });
  const seconds = Number(values.seconds);
  const options = {
    messages: Number(values.messages),
    seconds,
    longestDelay: Number(values.delay),
    seed: Number(values.seed),
    faults: Number(values.faults),
    workers: Number(values.workers),
    producers: Number(values.producers),
    heartbeatTimeout: Number(values.heartbeat),
    slack: 1_000,
    clockError: defaults.clockError,
    // Faults take time, and what is left at the end does.
    deadline: 4 * seconds * 1_000 + 120_000,
  };
  return { options, isForgetful: values.forgetful };
}
