import { readdirSync, readFileSync } from "node:fs";

/** Milliseconds in a tick of the clock of `stat`. */
const TICK = 10;

/**
 * Processor time of a process and its children until now, in milliseconds. Linux only: elsewhere it
 * is not a number.
 *
 * @param pid Of a server whose processes have one thread each, as those of Redis and PostgreSQL.
 */
export function processorTime(pid: number): number {
  let time = ownTime(pid) + endedChildrenTime(pid);
  for (const name of listProcesses()) {
    if (parentOf(name) === pid) time += ownTime(Number(name));
  }
  return time;
}

function listProcesses(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** In nanoseconds: `stat` counts ticks of 10 ms. */
function ownTime(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  } catch {
    return NaN;
  }
}

/** Of children that have ended. */
function endedChildrenTime(pid: number): number {
  const fields = statOf(`${pid}`);
  return fields === undefined ? NaN : (Number(fields[13]) + Number(fields[14])) * TICK;
}

function parentOf(name: string): number | undefined {
  const parent = statOf(name)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

/** The fields of `stat` behind the name, which may hold anything. */
function statOf(name: string): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined; // It has ended.
  }
}
