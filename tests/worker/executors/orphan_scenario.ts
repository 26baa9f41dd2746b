/**
 * A worker whose two child processes compute for ever: `orphan_scenario.ts journal`.
 *
 * @module
 */
import process from "node:process";
import { ProcessExecutor } from "@dq/dramatiq";
import { ACTORS, Fixture } from "./fixture.ts";

const fixture = await Fixture.open(
  new ProcessExecutor({ modules: [ACTORS], brokerExport: "broker", processes: 2, concurrency: 1 }),
);
for (let i = 0; i < 2; i++) fixture.send("computeForEver", [process.argv[2]!]);
