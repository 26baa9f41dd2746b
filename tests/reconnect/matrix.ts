import type { LogRecord } from "@logtape/logtape";
import { withLog } from "../support/log.ts";
import { ACTIVITIES, type Activity } from "./activities.ts";
import { Cell, type Outcome, runTogether } from "./cell.ts";
import { type Fault, FAULTS } from "./faults.ts";
import type { System } from "./systems.ts";

/** Which cells to run, and how. */
export interface MatrixOptions {
  /** Milliseconds for which each fault lasts. */
  readonly duration: number;
  /** True if a cell is to be run. Those that make no sense never are. */
  isChosen(fault: Fault, activity: Activity): boolean;
  /** Number of rows that are run side by side; those that happen to the whole server are not. */
  readonly atOnce: number;
}

/**
 * Runs the cells of one system.
 *
 * @returns What became of them.
 */
export async function runMatrix(system: System, options: MatrixOptions): Promise<Outcome[]> {
  const activities = ACTIVITIES.filter(({ name }) => system.omitted[name] === undefined);
  const outcomes: Outcome[] = [];
  await using server = await system.start();
  await withLog({ category: ["dramatiq", system.category] }, async (lines) => {
    const run = async (fault: Fault): Promise<void> => {
      const chosen = activities.filter((activity) => options.isChosen(fault, activity));
      if (chosen.length === 0) return;
      const cells = chosen.map((activity) => new Cell(system, fault, activity, server));
      await runTogether(server, fault, cells, options.duration);
      outcomes.push(...cells.map((cell) => cell.judge(outageLines(lines))));
    };
    const ofWay = FAULTS.filter(({ isOfServer }) => !isOfServer);
    for (let i = 0; i < ofWay.length; i += options.atOnce) {
      await Promise.all(ofWay.slice(i, i + options.atOnce).map(run));
    }
    for (const fault of FAULTS.filter(({ isOfServer }) => isOfServer)) await run(fault);
  });
  return outcomes;
}

/** Log lines that an operator sees. */
function outageLines(lines: readonly LogRecord[]): readonly LogRecord[] {
  return lines.filter(({ level }) => level === "error" || level === "warning");
}
