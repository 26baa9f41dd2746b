/**
 * Is anything lost when everything breaks?
 *
 * Processes send messages, of which some are delayed and some fail once; others run them.
 * Meanwhile workers are killed and replaced, or stand still; connections, each through a
 * proxy of its own, are cut or half-open; Redis is killed and restarted. Each process
 * writes down what it does in a file that outlives it. In the end all is counted: what
 * was confirmed must have run, what ran twice must have a cause, and Redis must be empty.
 *
 *     deno run -A tests/torture/redis.ts [--messages 100000] [--seconds 150] [--seed 1]
 *     bun tests/torture/redis.ts
 *     node tests/torture/redis.ts
 *
 * Further options: `--faults 60`, `--workers 4`, `--producers 2`, `--heartbeat 2500` (ms), and
 * `--forgetful`: Redis keeps nothing on disk, messages are lost, and this must show.
 *
 * The seed decides on the messages and the faults, not on who is faster.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { runtimeVersion } from "../../bench/measure.ts";
import { formatReport } from "./report.ts";
import { torture, type TortureOptions } from "./torture.ts";

const options = readOptions();
console.log(`${runtimeVersion()}, ${JSON.stringify(options)}\n`);
const report = await torture(options);
console.log(formatReport(report));
process.exitCode = report.failures.length === 0 ? 0 : 1;

function readOptions(): TortureOptions {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const { values } = parseArgs({
    options: {
      messages: text("100000"),
      seconds: text("150"),
      seed: text(String(Math.floor(Math.random() * 2 ** 31))),
      faults: text("60"),
      workers: text("4"),
      producers: text("2"),
      heartbeat: text("2500"),
      forgetful: { type: "boolean", default: false },
    },
  });
  const seconds = Number(values.seconds);
  return {
    messages: Number(values.messages),
    seconds,
    longestDelay: 5_000,
    seed: Number(values.seed),
    faults: Number(values.faults),
    workers: Number(values.workers),
    producers: Number(values.producers),
    heartbeatTimeout: Number(values.heartbeat),
    slack: 1_000,
    // Faults take time, and what is left at the end does.
    deadline: 4 * seconds * 1_000 + 120_000,
    appendonly: !values.forgetful,
  };
}
