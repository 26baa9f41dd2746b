import { RedisBroker } from "../../../mod.ts";
import { encodeReports } from "../../../core/report_format.ts";
import type { RedisServer } from "../../support/servers/redis.ts";
import { ACTORS, type Extent, looksAt, MESSAGES, reportOf, sendDelayed, WORKERS } from "./looks.ts";
import { type Cap, KIB, type Measured, MIB, readStatistics } from "./redis_caps.ts";

/** Commands and bytes of figures: queues, 100 workers, an hour of 20 actors, what is paused; and of connecting. */
const FIGURES: Cap = { commands: 150, bytes: 512 * KIB };
/** Commands that a message costs: its length, its text, and the one that a thousand share. */
const COMMANDS = 2.1;
/** Bytes of the messages that each extent reads. */
const BYTES: Readonly<Record<Extent, number>> = {
  figures: 0,
  page: 256 * KIB,
  groups: MIB,
  search: 4 * MIB,
  find: 4 * MIB,
};

function capOf(extent: Extent): Cap {
  return {
    commands: FIGURES.commands + Math.ceil(COMMANDS * MESSAGES[extent]),
    bytes: FIGURES.bytes + BYTES[extent],
  };
}

/** Adds delayed messages, reports of workers, and an hour of history to a filled server. */
export async function fillForLooks(server: RedisServer): Promise<void> {
  await using broker = new RedisBroker({ url: server.url, middleware: [] });
  await sendDelayed(broker);
  const now = Date.now();
  for (let i = 0; i < WORKERS; i++) {
    const report = encodeReports([reportOf(i, now)]);
    await server.command("HSET", "dramatiq:__workers__", `broker-${i}`, report);
    // None that runs would find them dead: they stay as long as it takes.
    await server.command("ZADD", "dramatiq:__heartbeats__", now + 3_600_000, `broker-${i}`);
  }
  const letters = ["d", "f", "r", "x"];
  const fields = Array.from({ length: ACTORS }, (_, i) => letters.map((one) => `${one}:actor${i}`));
  for (let i = 0; i < 60; i++) {
    const key = `dramatiq:__minutes__:${Math.floor(now / 60_000) - i}`;
    await server.command("HSET", key, ...fields.flat().flatMap((field) => [field, 1_000 + i]));
  }
}

/** A look that was measured. */
export interface MeasuredLook extends Measured {
  /** Number of characters that were shown. */
  readonly shown: number;
}

/**
 * Measures pages and commands by the statistics of the server, as `measureRedis` does calls.
 *
 * @param server A server that nothing else uses.
 */
export async function measureRedisLooks(server: RedisServer): Promise<MeasuredLook[]> {
  const open = () => new RedisBroker({ url: server.url, middleware: [] });
  const measured: MeasuredLook[] = [];
  for (const { name, extent, run } of await looksAt(open, server.url)) {
    const before = await readStatistics(server);
    const startedAt = performance.now();
    const shown = await run();
    const time = performance.now() - startedAt;
    const after = await readStatistics(server);
    measured.push({
      name,
      cap: capOf(extent),
      time,
      shown,
      commands: after.commands - before.commands,
      bytes: after.bytes - before.bytes - before.own,
    });
  }
  return measured;
}
