import { type Inspector, RedisBroker } from "../../../mod.ts";
import type { RedisServer } from "../../support/servers/redis.ts";

/** Most commands of a call, by the server's own statistics, and bytes of its answers. */
export interface Cap {
  readonly commands: number;
  readonly bytes: number;
}

/** A call that was measured. */
export interface Measured extends Cap {
  readonly name: string;
  readonly cap: Cap;
  /** Milliseconds, for people. */
  readonly time: number;
}

/** Queue of all messages. */
const QUEUE = "default";
const FILL_BATCH = 10_000;
/** Bytes. */
export const KIB = 1_024;
export const MIB: number = 1_024 * KIB;

/** Writes waiting messages and dead letters, each of about 350 bytes. */
const FILL = `
for i = ARGV[1], ARGV[2] do
  local id = string.format('%s-%012d', ARGV[3], i)
  local text = '{"queue_name":"default","actor_name":"work","args":[' .. i .. '],"kwargs":{},"options":{' ..
    ARGV[4] .. '},"message_id":"' .. id .. '","message_timestamp":' .. (1700000000000 + i) .. '}'
  redis.call('HSET', KEYS[2], id, text)
  if ARGV[3] == 'ready' then redis.call('RPUSH', KEYS[1], id)
  else redis.call('ZADD', KEYS[1], 1700000000000 + i, id) end
end
`;
const TRACEBACK = '"retries":3,"traceback":"TimeoutError: upstream took too long\\n    at call (' +
  `file:///app/${"x".repeat(120)}.ts:1:1)\\n"`;

/** Kind of messages that a server is filled with. */
export type FilledState = "ready" | "dead";

/** Fills a queue with as many messages of each kind. */
export async function fillRedis(
  server: RedisServer,
  count: number,
  states: readonly FilledState[] = ["ready", "dead"],
): Promise<void> {
  for (let i = 1; i <= count; i += FILL_BATCH) {
    const last = Math.min(count, i + FILL_BATCH - 1);
    const fill = (list: string, texts: string, kind: string, options: string) =>
      server.command(
        "EVAL",
        FILL,
        2,
        `dramatiq:${list}`,
        `dramatiq:${texts}`,
        i,
        last,
        kind,
        options,
      );
    if (states.includes("ready")) await fill(QUEUE, `${QUEUE}.msgs`, "ready", "");
    if (states.includes("dead")) await fill(`${QUEUE}.XQ`, `${QUEUE}.XQ.msgs`, "dead", TRACEBACK);
  }
}

/** Calls, and what each may cost however many messages there are. */
function callsOf(
  count: number,
): [name: string, cap: Cap, call: (inspector: Inspector) => unknown][] {
  const ready = { queueName: QUEUE, state: "ready" } as const;
  const dead = { queueName: QUEUE, state: "dead" } as const;
  const middle = `${count / 2},ready-${String(count / 2 + 1).padStart(12, "0")}`;
  const page = { commands: 120, bytes: 64 * KIB };
  const filtered = { commands: 4_100, bytes: 4 * MIB };
  const middleRef = {
    ...ready,
    key: `ready-${String(count / 2 + 1).padStart(12, "0")}`,
    position: count / 2,
  };
  return [
    ["overview", { commands: 12, bytes: 4 * KIB }, (one) => one.overview()],
    ["ready, first page", page, (one) => one.list(ready)],
    ["ready, in the middle", page, (one) => one.list({ ...ready, after: middle })],
    ["ready, last page", page, (one) => one.list({ ...ready, order: "newest" })],
    ["dead, newest page", page, (one) => one.list(dead)],
    [
      "dead, from a time",
      page,
      (one) => one.list({ ...dead, since: 1_700_000_000_000 + count / 2 }),
    ],
    ["dead, filter without a match", filtered, (one) => one.list({ ...dead, error: "no such" })],
    ["ready, filter without a match", filtered, (one) => one.list({ ...ready, actorName: "no" })],
    ["find", { commands: 8_300, bytes: 8 * MIB }, (one) => one.find("no such id")],
    ["workers", { commands: 6, bytes: 4 * KIB }, (one) => one.workers()],
    ["history", { commands: 64, bytes: 8 * KIB }, (one) => one.history(60)],
    [
      "drop one in the middle",
      { commands: 12, bytes: KIB },
      (one) => one.change([middleRef], "drop"),
    ],
  ];
}

/**
 * Measures calls by the statistics of the server: commands, those of scripts included, and bytes of
 * answers.
 *
 * @param server A server that nothing else uses.
 * @param count Number of waiting messages, and of dead letters.
 */
export async function measureRedis(server: RedisServer, count: number): Promise<Measured[]> {
  await using broker = new RedisBroker({ url: server.url });
  broker.declareQueue(QUEUE);
  await using inspector = broker.inspect();
  await inspector.overview(); // connects
  const measured: Measured[] = [];
  for (const [name, cap, call] of callsOf(count)) {
    const before = await readStatistics(server);
    const startedAt = performance.now();
    await call(inspector);
    const time = performance.now() - startedAt;
    const after = await readStatistics(server);
    measured.push({
      name,
      cap,
      time,
      commands: after.commands - before.commands,
      bytes: after.bytes - before.bytes - before.own,
    });
  }
  return measured;
}

/** Statistics of a server, since it was started. */
export interface Statistics extends Cap {
  /** Bytes of the answers that told this. */
  readonly own: number;
}

/** Reads the statistics of a server. */
export async function readStatistics(server: RedisServer): Promise<Statistics> {
  // The first answer counts the bytes before it, and is itself counted by the next reading.
  const statistics = String(await server.command("INFO", "stats"));
  const commandStatistics = String(await server.command("INFO", "commandstats"));
  const bytes = Number(/total_net_output_bytes:(\d+)/.exec(statistics)![1]);
  let commands = 0;
  for (const [, name, calls] of commandStatistics.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)) {
    if (name !== "info") commands += Number(calls);
  }
  const framed = (text: string) => text.length + String(text.length).length + 5;
  return { commands, bytes, own: framed(statistics) + framed(commandStatistics) };
}
