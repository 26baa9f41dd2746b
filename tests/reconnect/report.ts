import { ACTIVITIES } from "./activities.ts";
import type { Outcome } from "./cell.ts";
import { FAULTS } from "./faults.ts";
import type { System } from "./systems.ts";

/** A table in Markdown: a row for each fault, a column for each activity, seconds in the cells. */
export function tableOf(system: System, outcomes: readonly Outcome[]): string {
  const activities = ACTIVITIES.filter(({ name }) => system.omitted[name] === undefined);
  const rows = FAULTS.map((fault) => {
    const cells = activities.map((activity) => {
      const found = outcomes.find((one) => one.fault === fault && one.activity === activity);
      return found === undefined ? "" : textOf(found);
    });
    return [fault.name, ...cells];
  });
  const header = [system.name, ...activities.map(({ title }) => title)];
  const lines = [header, header.map((_, i) => i === 0 ? "---" : "--:"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Problems, one line each. */
export function problemsOf(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap(({ system, fault, activity, problems }) =>
    problems.map((problem) => `${system.name}, ${fault.name}, ${activity.title}: ${problem}`)
  );
}

function textOf({ recovery, problems }: Outcome): string {
  const seconds = recovery === undefined ? "never" : (recovery / 1_000).toFixed(1);
  return problems.length === 0 ? seconds : `${seconds} (!)`;
}
