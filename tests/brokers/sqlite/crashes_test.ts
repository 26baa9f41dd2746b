import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { assertGreater } from "@std/assert";
import { withFolder } from "../../support/folder.ts";
import { test } from "../../support/test.ts";
import { CRASH_SCENARIOS, type CrashScenario, openBroker, readLeft } from "./crash_scenarios.ts";
import { CrashingDatabase } from "./crashing_database.ts";

/** Points at which each scenario is cut short, at least: begin, something, commit. */
const FEWEST_POINTS = 6;
/** Far more than any scenario has. */
const MOST_POINTS = 300;

for (const [name, scenario] of Object.entries(CRASH_SCENARIOS)) {
  test(`SqliteBroker loses nothing and leaves nothing half done when it dies at any statement: ${name}`, async () => {
    await withFolder(async (folder) => {
      const prepared = join(folder, "prepared.db");
      const broker = openBroker({ path: prepared });
      await scenario.prepare?.(broker);
      await broker.close();
      let point = 1;
      while (point < MOST_POINTS && await crashAt(scenario, folder, point)) point += 1;
      assertGreater(point, FEWEST_POINTS);
      assertGreater(MOST_POINTS, point);
    });
  });
}

/** @returns Whether it came to that point. */
async function crashAt(scenario: CrashScenario, folder: string, point: number): Promise<boolean> {
  const path = join(folder, `${point}.db`);
  if (scenario.prepare !== undefined) await copyFile(join(folder, "prepared.db"), path);
  const database = new CrashingDatabase(path, point);
  const broker = openBroker({ database });
  database.arm();
  const confirmed = new Set<string>();
  const acting = scenario.act(broker, (what) => confirmed.add(what)).catch((error) => {
    if (!database.isDead) throw error;
  });
  await Promise.race([acting, database.crashed]);
  const hasCrashed = database.isDead;
  await broker.close();
  await acting;
  database.close();
  try {
    scenario.check(readLeft(path), confirmed);
  } catch (error) {
    throw new Error(`It broke at point ${point}, after ${[...confirmed].join(", ") || "nothing"}`, {
      cause: error,
    });
  }
  for (const end of ["", "-wal", "-shm", "-notify"]) await rm(path + end, { force: true });
  return hasCrashed;
}
