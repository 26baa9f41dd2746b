/**
 * Do hundreds of workers stay cheap to report and to look at?
 *
 * Starts 200 brokers with a worker each, in four processes, on a Redis and on an SQLite file; looks at
 * them by page and by command; counts what they send while they are idle; kills one process.
 *
 *     deno run -A tests/torture/workers.ts [--workers 200] [--seconds 20]
 *
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Broker, type Inspector, RedisBroker, SqliteBroker } from "../../mod.ts";
import { Monitor } from "../brokers/redis/monitor.ts";
import { runCommand } from "../cli/inspect_fixture.ts";
import { Site } from "../dashboard/fixture.ts";
import { WorkerProcess } from "../inspection/worker_processes.ts";
import { withFolder } from "../support/folder.ts";
import { type RedisServer, startOwnRedis } from "../support/servers/redis.ts";
import { until } from "../support/servers/until.ts";
import { readStatistics } from "./inspecting/redis_caps.ts";

const { values } = parseArgs({
  options: {
    workers: { type: "string", default: "200" },
    seconds: { type: "string", default: "20" },
  },
});
const PROCESSES = 4;
const COUNT = Number(values.workers);
const SECONDS = Number(values.seconds);
const HEARTBEAT_TIMEOUT = 10_000;
/** Milliseconds. */
const TIMEOUT = 120_000;
/** Bytes of looking at all workers: of each, and of all else. */
const BYTES_EACH = 8_192;
const BYTES = 262_144;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function check(isGood: boolean, text: string): void {
  console.log(`${text}${isGood ? "" : "  BAD"}`);
  if (!isGood) process.exitCode = 1;
}

/** Pids of the workers that report. */
async function reported(inspector: Inspector): Promise<number[]> {
  return (await inspector.workers()).filter(({ hasReport }) => hasReport).map(({ pid }) => pid);
}

/** Starts the workers, looks at them, and kills a quarter. */
async function run(
  name: string,
  open: () => Broker,
  place: { url: string } | { path: string },
  look: () => Promise<void>,
): Promise<void> {
  const told = { ...place, heartbeatTimeout: HEARTBEAT_TIMEOUT, workers: COUNT / PROCESSES };
  const starting = Array.from({ length: PROCESSES }, () => WorkerProcess.start(told));
  const processes = await Promise.all(starting);
  await using broker = open();
  await using inspector = broker.inspect();
  try {
    await until(async () => (await reported(inspector)).length === COUNT, {
      what: `see ${COUNT} reports`,
      timeout: TIMEOUT,
    });
    console.log(`${name}: ${COUNT} workers in ${PROCESSES} processes report`);
    await look();
    const [first] = processes;
    await first!.kill();
    const killedAt = performance.now();
    await until(async () => !(await reported(inspector)).includes(first!.pid), {
      what: "see no ghost",
      timeout: TIMEOUT,
    });
    const time = performance.now() - killedAt;
    const left = (await reported(inspector)).length;
    check(
      left === COUNT - COUNT / PROCESSES && time < HEARTBEAT_TIMEOUT + 2_000,
      `${name}: kill -9 of ${COUNT / PROCESSES}: gone after ${
        Math.round(time)
      } ms of a heartbeat ` +
        `timeout of ${HEARTBEAT_TIMEOUT} ms, ${left} left`,
    );
  } finally {
    for (const one of processes) await one.kill();
  }
}

/** Looks by page and command. Figures of a server include what the workers do meanwhile. */
async function lookAt(
  name: string,
  open: () => Broker,
  url: string,
  measured: (name: string, look: () => Promise<string>) => Promise<void>,
): Promise<void> {
  for (const path of ["workers", "running", ""]) {
    await measured(`${name}: GET /${path}`, async () => {
      await using site = new Site<Broker>({}, open());
      return await site.text(`/${path}`);
    });
  }
  for (const line of ["workers list", "queues list", "top -n 1"]) {
    await measured(`${name}: ${line}`, async () => {
      const { console } = await runCommand([...line.split(" "), "--broker", url]);
      return console.output + console.notes;
    });
  }
}

async function idleOf(server: RedisServer): Promise<void> {
  await using monitor = await Monitor.open(server);
  await pause(5_000); // what starting and looking still cause
  await monitor.take();
  const startedAt = performance.now();
  await pause(SECONDS * 1_000);
  const commands = await monitor.take();
  const seconds = (performance.now() - startedAt) / 1_000;
  const each = commands.length / seconds / COUNT;
  check(
    each <= 2,
    `Redis: ${commands.length} commands of idle workers in ${seconds.toFixed(1)} s: ` +
      `${each.toFixed(2)} a second each`,
  );
}

const server = await startOwnRedis();
try {
  const heartbeatTimeout = HEARTBEAT_TIMEOUT;
  const open = () => new RedisBroker({ url: server.url, heartbeatTimeout });
  await run("Redis", open, { url: server.url }, async () => {
    await idleOf(server);
    await lookAt("Redis", open, server.url, async (name, look) => {
      const before = await readStatistics(server);
      const shown = await look();
      const after = await readStatistics(server);
      const bytes = after.bytes - before.bytes - before.own;
      const commands = after.commands - before.commands;
      check(
        bytes <= BYTES + BYTES_EACH * COUNT,
        `${name}: ${bytes} bytes, ${commands} commands with those of the workers, ` +
          `${shown.length} characters`,
      );
    });
  });
} finally {
  await server.stop();
}

await withFolder(async (folder) => {
  const path = join(folder, "tasks.db");
  const open = () => new SqliteBroker({ path, heartbeatTimeout: HEARTBEAT_TIMEOUT });
  await run("SQLite", open, { path }, async () => {
    await lookAt("SQLite", open, `sqlite:${path}`, async (name, look) => {
      const startedAt = performance.now();
      const shown = await look();
      const time = performance.now() - startedAt;
      check(
        shown.length <= BYTES + BYTES_EACH * COUNT,
        `${name}: ${shown.length} characters in ${Math.round(time)} ms`,
      );
    });
  });
});
