import { readdir, readFile } from "node:fs/promises";
import { assert, assertEquals, assertGreater } from "@std/assert";
import { SqliteBroker } from "@dq/dramatiq";
import * as inspection from "../../../brokers/sqlite/inspection_statements.ts";
import * as statements from "../../../brokers/sqlite/statements.ts";
import { type ExpiringTable, purgeStatements } from "../../../clients/sqlite/expiry.ts";
import { connectionOf } from "../../../clients/sqlite/handles.ts";
import { test } from "../../support/test.ts";

const TABLES: readonly ExpiringTable[] = [
  "dramatiq_results",
  "dramatiq_counters",
  "dramatiq_members",
  "dramatiq_signals",
];

test("SqliteBroker's statements read no more rows than they need, and sort none", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  const connection = connectionOf(broker);
  await connection.open();
  const states = ["ready", "delayed", "dead", "unacknowledged"] as const;
  const pages = states.map((state) => inspection.statementsOf(state))
    .flatMap(({ oldest, newest, step, rest }) => [oldest, newest, step, rest]);
  const inspecting = Object.values(inspection).filter((one) => typeof one === "string");
  const all = [
    ...Object.values(statements).flat(),
    ...TABLES.flatMap(purgeStatements),
    ...inspecting,
    ...pages,
  ];
  assertGreater(all.length, 30);
  for (const sql of all) {
    const parameters = [...sql.matchAll(/\?/g)].map(() => 1);
    const plan = connection.statement(`explain query plan ${sql}`).all(...parameters)
      .map((row) => (row as { detail: string }).detail);
    // What is in flight is bounded by the prefetch of all workers.
    const isInFlight = plan.some((detail) => detail.includes("dramatiq_taken"));
    for (const detail of plan) {
      assert(!/SCAN (?:m\b|dramatiq_messages)/.test(detail) || isInFlight, `${sql}: ${detail}`);
      assert(
        !/SCAN dramatiq_(?:results|counters|members|signals)/.test(detail),
        `${sql}: ${detail}`,
      );
      assert(!detail.includes("TEMP B-TREE") || isInFlight, `${sql}: ${detail}`);
    }
  }
});

test("Statements for SQLite have plain parameters, for Node 22.18 takes no numbered ones", async () => {
  const root = new URL("../../../", import.meta.url);
  for (const folder of ["clients", "brokers", "control", "results", "rate_limits"]) {
    for (const name of await readdir(new URL(`${folder}/`, root), { recursive: true })) {
      if (!/sqlite.*\.ts$/.test(name)) continue;
      const text = await readFile(new URL(`${folder}/${name}`, root), "utf8");
      assertEquals([...text.matchAll(/[=(,<>] ?\?\d/g)].map(([found]) => found), [], name);
    }
  }
});
