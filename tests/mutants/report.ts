import type { Judged } from "./judge.ts";

/** Share of the table that must be killed. */
const LEAST_SCORE = 0.9;

/** One line for a mutant. */
export function formatJudged(number: number, { mutant, verdict, line, took, reason }: Judged) {
  const place = line === undefined ? mutant.file : `${mutant.file}:${line}`;
  const columns = [
    `${number}`.padStart(4),
    verdict.padEnd(9),
    `${(took / 1_000).toFixed(1)} s`.padStart(7),
    place.padEnd(44),
    mutant.mistake,
  ];
  const stays = verdict === "survived" && mutant.stays !== undefined ? `: ${mutant.stays}` : "";
  return columns.join("  ") + (reason === undefined ? stays : ` (${reason})`);
}

/** The judged mutants of one area. */
export interface AreaResult {
  readonly area: string;
  readonly judged: readonly Judged[];
}

const COLUMNS = ["area", "mutants", "killed", "timed out", "survived", "stale", "unfit", "score"];

/** A table of how many were killed, by area and in all. */
export function formatScores(areas: readonly AreaResult[]): string {
  const all: AreaResult = { area: "all", judged: areas.flatMap(({ judged }) => judged) };
  const rows = [...areas.filter(({ judged }) => judged.length > 0), all].map(({ area, judged }) => [
    area,
    `${judged.length}`,
    ...["killed", "timed out", "survived", "stale", "unfit"].map((verdict) =>
      `${judged.filter((one) => one.verdict === verdict).length}`
    ),
    `${(scoreOf(judged) * 100).toFixed(1)} %`,
  ]);
  const widths = COLUMNS.map((head, i) =>
    Math.max(head.length, ...rows.map((row) => row[i]!.length))
  );
  return [COLUMNS, ...rows].map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join("  ")
  ).join("\n");
}

/** The share of mutants that tests notice. Survivors that are explained count as not noticed. */
export function scoreOf(judged: readonly Judged[]): number {
  const noticed = judged.filter(({ verdict }) => verdict === "killed" || verdict === "timed out");
  return judged.length === 0 ? 1 : noticed.length / judged.length;
}

/**
 * Complaints: what is to be put right.
 *
 * @param judged All mutants that were looked at.
 * @returns One text each; none if all is well.
 */
export function complaints(judged: readonly Judged[]): string[] {
  const texts = judged.flatMap(({ mutant, verdict, reason }) => {
    const what = `${mutant.file}: ${mutant.mistake}`;
    if (verdict === "stale" || verdict === "unfit") return [`${verdict}: ${what}: ${reason}`];
    const isExplained = mutant.stays !== undefined;
    if (verdict === "survived") return isExplained ? [] : [`survived: ${what}`];
    return isExplained ? [`${verdict}, though the table says that it stays: ${what}`] : [];
  });
  const score = scoreOf(judged);
  if (score < LEAST_SCORE) {
    texts.push(`${(score * 100).toFixed(1)} % are killed, less than ${LEAST_SCORE * 100} %`);
  }
  return texts;
}
