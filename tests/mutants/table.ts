import type { Mutant } from "./mutant.ts";
import { CLAIMS } from "./table/claims.ts";
import { CLI } from "./table/cli.ts";
import { CONNECTIONS } from "./table/connections.ts";
import { CONTROL } from "./table/control.ts";
import { CORE } from "./table/core.ts";
import { EXECUTORS } from "./table/executors.ts";
import { FAILOVERS } from "./table/failovers.ts";
import { FETCHED_AHEAD } from "./table/fetched_ahead.ts";
import { MIDDLEWARE } from "./table/middleware.ts";
import { PROMETHEUS } from "./table/prometheus.ts";
import { RABBITMQ } from "./table/rabbitmq.ts";
import { REDIS } from "./table/redis.ts";
import { REDIS_CONSUMING } from "./table/redis_consuming.ts";
import { RESULTS } from "./table/results.ts";
import { SECRETS } from "./table/secrets.ts";
import { SETTLING } from "./table/settling.ts";
import { SQLITE } from "./table/sqlite.ts";
import { STUB_BROKER } from "./table/stub.ts";
import { WORKER } from "./table/worker.ts";

/** All mutants, by area. */
export const TABLE: Readonly<Record<string, readonly Mutant[]>> = {
  redis: [...REDIS, ...REDIS_CONSUMING],
  rabbitmq: RABBITMQ,
  sqlite: SQLITE,
  core: CORE,
  control: [...CONTROL, ...CLAIMS],
  stub: STUB_BROKER,
  worker: [...WORKER, ...SETTLING],
  executors: EXECUTORS,
  middleware: MIDDLEWARE,
  prometheus: PROMETHEUS,
  results: RESULTS,
  cli: CLI,
  connections: [...CONNECTIONS, ...FAILOVERS],
  fetchedAhead: FETCHED_AHEAD,
  secrets: SECRETS,
};

/** A mutant, and its place in the table, from 1 on. */
export interface NumberedMutant {
  readonly mutant: Mutant;
  readonly number: number;
}

/**
 * Chooses mutants.
 *
 * @param wanted Numbers, as "17" or "17-20", and parts of paths.
 * @returns Those that fit any; all if nothing is wanted.
 */
export function select(wanted: readonly string[]): NumberedMutant[] {
  const all = Object.values(TABLE).flat().map((mutant, i) => ({ mutant, number: i + 1 }));
  if (wanted.length === 0) return all;
  return all.filter((one) => wanted.some((text) => fits(one, text)));
}

function fits({ mutant, number }: NumberedMutant, wanted: string): boolean {
  const range = /^(\d+)(?:-(\d+))?$/.exec(wanted);
  if (range === null) return mutant.file.includes(wanted);
  const [, first, last = first] = range;
  return number >= Number(first) && number <= Number(last);
}
