import { setTimeout as pause } from "node:timers/promises";
import process from "node:process";
import { BrokerConnectionError } from "../../core/errors.ts";
import type { Inspector } from "../../core/inspection.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { type Console, STANDARD_CONSOLE } from "../console.ts";
import { OK } from "../exit_codes.ts";
import { Interruption } from "../interruption.ts";
import type { Program } from "../program.ts";
import { countOf } from "./jobs_options.ts";
import { type CommonOptions, type InspectTask, makeInspectCommand, runInspect } from "./run.ts";
import { Screen } from "./screen.ts";
import { isDumbTerminal } from "../terminal.ts";
import { formatTop, type TopFrame, topToJson } from "./top_frame.ts";

const EXIT_CODES = "0 done, 2 wrong arguments, a module that does not import, or something that\n" +
  "the broker does not support, 3 the broker cannot be reached at the start.";
/** Seconds between two frames. */
const INTERVAL = 2;
const MINUTES = 10;
/** Size of a terminal that does not report its own. */
const USUAL_ROWS = 24;
const USUAL_COLUMNS = 80;

/** Options of `top`. */
interface TopOptions extends CommonOptions {
  readonly interval?: number;
  readonly limit?: number;
}

/**
 * Runs `worker.ts top`.
 *
 * @param args The arguments after `top`.
 * @param program This program.
 * @param console The console.
 * @returns The exit code.
 */
export function runTop(
  args: readonly string[],
  program: Program,
  console: Console = STANDARD_CONSOLE,
): Promise<number> {
  const command = makeInspectCommand(
    "top",
    "Shows what all workers are doing, continuously. Without a terminal it prints a JSON object for " +
      "each update.",
    EXIT_CODES,
  )
    .option(
      "--interval <s>",
      `seconds between updates (default: ${INTERVAL})`,
      countOf("--interval"),
    )
    .option("-n, --limit <n>", "end after this many updates", countOf("--limit"));
  return runInspect<TopOptions>(command, args, program, console, top);
}

async function top(
  { inspector, options, console, printJson }: InspectTask<TopOptions>,
): Promise<number> {
  const { interval = INTERVAL, limit = Infinity } = options;
  const interruption = new Interruption();
  const ended = new AbortController();
  void interruption.requested.then(() => ended.abort());
  const isScreen = console.columns !== undefined && options.json === undefined &&
    !isDumbTerminal();
  let isHeld = false;
  const keys = { quit: () => ended.abort(), hold: () => isHeld = !isHeld };
  const screen = isScreen ? new Screen(console, keys) : undefined;
  let last: TopFrame | undefined;
  try {
    for (let looks = 0; looks < limit && !ended.signal.aborted; looks++) {
      if (looks > 0) {
        await pause(interval * 1_000, undefined, { signal: ended.signal }).catch(() => {});
      }
      if (ended.signal.aborted) break;
      if (isHeld) continue;
      try {
        last = await readFrame(inspector);
      } catch (error) {
        // Shows the last frame, with the reason.
        if (!(error instanceof BrokerConnectionError) || last === undefined) throw error;
        last = { ...last, outage: errorMessage(error) };
      }
      if (screen === undefined) printJson(topToJson(last));
      else {
        const width = Number.isFinite(console.columns) ? console.columns! : USUAL_COLUMNS;
        const rows = process.stdout.rows || USUAL_ROWS;
        screen.draw(
          formatTop(last, {
            width,
            height: rows,
            interval,
            isUtc: !!options.utc,
          }),
        );
      }
      if (console.hasFailed) break; // as in `top | head -1`
    }
    return OK;
  } finally {
    screen?.close();
    interruption.close();
  }
}

async function readFrame(inspector: Inspector): Promise<TopFrame> {
  const started = performance.now();
  const has = (ability: "workers" | "history") => inspector.abilities.has(ability);
  const { queues, now } = await inspector.overview();
  const took = performance.now() - started;
  const [workers, history] = await Promise.all([
    has("workers") ? inspector.workers() : [],
    has("history") ? inspector.history(MINUTES) : undefined,
  ]);
  return { now, took, queues, workers, history };
}
