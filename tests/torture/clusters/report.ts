import type { Outcome } from "./trial.ts";

const HEADER = ["fault", "engine", "sent", "lost", "twice", "stuck", "recovery", "failed sends"];

/** A table in Markdown: a row for each trial, seconds for times. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map((outcome) => [
    outcome.fault.name,
    outcome.engine.name,
    `${outcome.confirmed}`,
    `${outcome.lost}`,
    `${outcome.twice}`,
    `${outcome.stuck}`,
    outcome.recovery === undefined ? "never" : (outcome.recovery / 1_000).toFixed(1),
    `${outcome.failed.get("send") ?? 0}`,
  ]);
  const rule = HEADER.map((_, i) => i < 2 ? "---" : "--:");
  return [HEADER, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Problems: what must not be, one line each. */
export function problemsOf(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap(({ engine, fault, problems }) =>
    problems.map((problem) => `${engine.name}, ${fault.name}: ${problem}`)
  );
}
