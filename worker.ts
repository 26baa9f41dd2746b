/**
 * The command line of a worker: `deno task worker actors.ts`, `bun run worker.ts actors.ts`.
 *
 * @module
 */
import process from "node:process";
import { runWorker } from "./cli/run_worker.ts";

process.exit(await runWorker(process.argv.slice(2)));
