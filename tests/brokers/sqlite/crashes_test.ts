import { copyFile, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { assertEquals, assertGreater } from "@std/assert";
import * as inspection from "../../../brokers/sqlite/inspection_statements.ts";
import * as statements from "../../../brokers/sqlite/statements.ts";
import { withFolder } from "../../support/folder.ts";
import { test } from "../../support/test.ts";
import { CRASH_BACKEND_SCENARIOS } from "./crash_backend_scenarios.ts";
import { CRASH_SCENARIOS, type CrashScenario, openBroker, readLeft } from "./crash_scenarios.ts";
import { CrashingDatabase } from "./crashing_database.ts";

/** Points at which each scenario is cut short, at least: begin, something, commit. */
const FEWEST_POINTS = 6;
/** Far more than any scenario has. */
const MOST_POINTS = 300;

/** Texts of the statements that ran in the scenarios, uncut. */
const ran = new Set<string>();

for (
  const [name, scenario] of Object.entries({ ...CRASH_SCENARIOS, ...CRASH_BACKEND_SCENARIOS })
) {
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

test("SqliteBroker, results and limits have no statement that writes which is not cut short above", async () => {
  const root = new URL("../../../", import.meta.url);
  const read = (file: string) => readFile(new URL(file, root), "utf8");
  const texts = await Promise.all(
    ["results/backends/sqlite.ts", "rate_limits/backends/sqlite_counters.ts"].map(read),
  );
  const beginnings = texts.flatMap((text) =>
    [...text.matchAll(/"((?:insert|update|delete) [^"]+)"/g)].map(([, begin]) => begin!)
  );
  assertGreater(beginnings.length, 6);
  const writing = [...Object.values(statements), ...Object.values(inspection)].flat()
    .filter((sql) => typeof sql === "string")
    .filter((sql) => /^(?:insert|update|delete)/.test(sql));
  assertGreater(writing.length, 20);
  const missing = [...beginnings, ...writing]
    .filter((sql) => ![...ran].some((one) => one.startsWith(sql)));
  assertEquals(missing, []);
});

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
  if (!hasCrashed) { for (const sql of database.ran) ran.add(sql); }
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
