/**
 * Is it found which message kills its workers, and is no other blamed? A killer among 10,000 innocent
 * messages, on workers that are replaced when they die; then the same without a killer, on workers that
 * are all killed from outside again and again, as by deploys without a grace period.
 *
 *     deno run -A tests/torture/poison.ts [--kind redis|sqlite|rabbitmq] [--executor inline|thread]
 *       [--innocents 10000] [--workers 8] [--concurrency 8] [--killers 1] [--deploys 25]
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { startRabbitmq } from "../support/servers/rabbitmq.ts";
import { startRedis } from "../support/servers/redis.ts";
import { type PoisonOptions, runPoison } from "./poison/fleet.ts";

const { values } = parseArgs({
  options: {
    kind: { type: "string", default: "redis" },
    executor: { type: "string", default: "inline" },
    innocents: { type: "string", default: "10000" },
    workers: { type: "string", default: "8" },
    concurrency: { type: "string", default: "8" },
    killers: { type: "string", default: "1" },
    deploys: { type: "string", default: "25" }, // of 8 workers: 200 kills
  },
});
const killers = Number(values.killers);
const { kind } = values;
if (kind !== "redis" && kind !== "sqlite" && kind !== "rabbitmq") {
  throw new TypeError(`Cannot torture a broker of kind ${kind}`);
}
const executor = values.executor === "thread" ? "thread" : "inline";

const failures: string[] = [];
for (
  const [what, changes] of Object.entries({
    "killers at once": { killers },
    "delayed killers": { killers, delay: 1_000 },
    "deploys": { killers: 0, deploys: Number(values.deploys), longest: 400, innocents: 4_000 },
  })
) {
  const report = await inPlace((addresses) =>
    runPoison(
      {
        kind,
        ...addresses,
        heartbeatTimeout: 2_000,
        executor,
        concurrency: Number(values.concurrency),
        workers: Number(values.workers),
        innocents: Number(values.innocents),
        longest: 50,
        deployInterval: 4_000,
        ...changes,
      } satisfies PoisonOptions,
    )
  );
  console.log(what, JSON.stringify({ ...report, tracebacks: undefined }));
  if (report.dead.some((name) => name !== "killer")) failures.push(`${what}: blamed an innocent`);
  if (report.dead.length !== changes.killers) failures.push(`${what}: ${report.dead.length} dead`);
  if (report.deaths > changes.killers * 4) failures.push(`${what}: ${report.deaths} deaths`);
}
for (const failure of failures) console.error(`FAILED ${failure}`);
process.exitCode = failures.length === 0 ? 0 : 1;

/** Addresses of servers, or a path. */
type Addresses = Pick<PoisonOptions, "url" | "controlUrl">;

/** Runs on servers, or a file, that are new. */
async function inPlace<T>(run: (addresses: Addresses) => Promise<T>): Promise<T> {
  if (values.kind === "sqlite") {
    const folder = await mkdtemp(join(tmpdir(), "dramatiq-poison-"));
    try {
      return await run({ url: join(folder, "tasks.db") });
    } finally {
      await rm(folder, { recursive: true });
    }
  }
  const redis = await startRedis();
  const rabbitmq = values.kind === "rabbitmq" ? await startRabbitmq() : undefined;
  try {
    if (rabbitmq === undefined) return await run({ url: redis.url });
    return await run({ url: rabbitmq.url, controlUrl: redis.url });
  } finally {
    await rabbitmq?.stop();
    await redis.stop();
  }
}
