import { setTimeout as delay } from "node:timers/promises";
import { type RedisSentinel, startRedisSentinel } from "../../support/servers/redis_sentinel.ts";
import type { RedisServer } from "../../support/servers/redis.ts";
import type { ClusterFault, Engine } from "./engine.ts";
import { openRedisClients } from "./redis_clients.ts";

/** Milliseconds for which all servers stand still. */
const STANDSTILL = 8_000;

/** Three sentinels, a master and two replicas. */
export const REDIS_SENTINEL: Engine = {
  name: "Redis Sentinel 1+2+3",
  program: "redis-server",
  settings: "`down-after-milliseconds 5000`, quorum 2, two replicas",
  async start() {
    const system = await startRedisSentinel({ sentinels: 3, replicas: 2, downAfter: 5_000 });
    const connection = { sentinels: system.addresses, name: system.name };
    return {
      faults: faultsOf(system),
      open: (id) => openRedisClients({ connection }, `trial-${id}`),
      [Symbol.asyncDispose]: () => system[Symbol.asyncDispose](),
    };
  },
};

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
      mayLose: "the old master confirms what replicas do not hear of any more",
      begin: async () => void await system.failOver(),
      end: () => system.untilOk(),
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
