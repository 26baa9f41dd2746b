/**
 * A worker program of one's own, with options of its own; those of the command line come on top:
 *
 *     deno run -A examples/worker/worker.ts --watch examples/worker
 *     bun run examples/worker/worker.ts --concurrency 2
 *
 * @module
 */
import { runWorker } from "@dq/dramatiq/worker";

await runWorker({ modules: [import.meta.resolve("./actors.ts")], threads: 0 });
