import { readdir, readFile } from "node:fs/promises";

/** @returns Bytes that a process and all below it have in memory, by what Linux says. */
export async function residentBytes(root: number): Promise<number> {
  const parents = new Map<number, number>();
  const resident = new Map<number, number>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const status = await readFile(`/proc/${name}/status`, "utf8");
      parents.set(Number(name), numberAfter(status, "PPid"));
      resident.set(Number(name), numberAfter(status, "VmRSS") * 1_024);
    } catch {
      // It has ended meanwhile.
    }
  }
  const isBelow = (pid: number | undefined): boolean =>
    pid === root || (pid !== undefined && pid > 1 && isBelow(parents.get(pid)));
  let sum = 0;
  for (const [pid, bytes] of resident) if (isBelow(pid)) sum += bytes;
  return sum;
}

function numberAfter(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
}
