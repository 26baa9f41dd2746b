/**
 * A worker whose two child processes compute for ever: `orphan_play.ts journal`.
 *
 * @module
 */
import process from "node:process";
import { ProcessExecutor } from "@dq/dramatiq";
import { ACTORS, Stage } from "./stage.ts";

const stage = await Stage.open(
  new ProcessExecutor({ modules: [ACTORS], brokerExport: "broker", processes: 2, concurrency: 1 }),
);
for (let i = 0; i < 2; i++) stage.send("computeForEver", [process.argv[2]!]);
