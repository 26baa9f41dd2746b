import { setTimeout as delay } from "node:timers/promises";
import { type RedisSentinel, startRedisSentinel } from "../../support/servers/redis_sentinel.ts";
import type { RedisServer } from "../../support/servers/redis.ts";
import type { ClusterFault, Engine, Servers } from "./engine.ts";
import { openRedisClients, type TrialOptions, withLosses } from "./redis_clients.ts";

/** Milliseconds for which all servers stand still. */
const STANDSTILL = 8_000;

const SETTINGS = "`down-after-milliseconds 5000`, quorum 2";

/** Three sentinels, a master and two replicas. */
export const REDIS_SENTINEL: Engine = {
  name: "Redis Sentinel 1+2+3",
  program: "redis-server",
  settings: SETTINGS,
  start: () => start({}),
};

/** The same, with clients that wait for both replicas. */
export const REDIS_SENTINEL_WAITING: Engine = {
  name: "Redis Sentinel 1+2+3, waiting",
  program: "redis-server",
  settings: `${SETTINGS}; \`waitReplicas: { count: 2, timeout: 500 }\``,
  needsAll: true,
  start: () => start({ waitReplicas: { count: 2, timeout: 500 } }),
};

async function start(options: TrialOptions): Promise<Servers> {
  const password = "of-clients";
  const system = await startRedisSentinel({
    ...{ sentinels: 3, replicas: 2, downAfter: 5_000, password },
  });
  const connection = { sentinels: system.addresses, name: system.name, password };
  return {
    faults: faultsOf(system).map((fault) => withLosses(fault, options)),
    open: (id) => openRedisClients({ connection }, `trial-${id}`, options),
    [Symbol.asyncDispose]: () => system[Symbol.asyncDispose](),
  };
}

function faultsOf(system: RedisSentinel): ClusterFault[] {
  let master: RedisServer;
  return [
    {
      name: "master stopped (SIGSTOP)",
      async begin() {
        master = await system.master();
        await master.pause();
        await system.untilMasterIsNot(master);
      },
      async end() {
        master.continue();
        await system.untilOk();
      },
    },
    {
      name: "master killed (SIGKILL)",
      async begin() {
        master = await system.master();
        await master.kill();
        await system.untilMasterIsNot(master);
      },
      async end() {
        await master.restart();
        await system.untilOk();
      },
    },
    {
      name: "graceful failover",
      begin: async () => void await system.failOver(),
      end: () => system.untilOk(),
    },
    {
      name: "node cut off from the others (partition)",
      isLong: true,
      async begin() {
        master = await system.master();
        await system.isolate(master);
        await system.untilMasterIsNot(master);
      },
      end: () => system.rejoin(master),
    },
    {
      name: "all nodes stopped for 8 s",
      isLong: true,
      async begin() {
        const all = [...system.servers, ...system.sentinels];
        await Promise.all(all.map((server) => server.pause()));
        await delay(STANDSTILL);
        for (const server of all) server.continue();
        await system.untilOk();
      },
      end: () => Promise.resolve(),
    },
  ];
}
