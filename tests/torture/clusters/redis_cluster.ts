import { setTimeout as delay } from "node:timers/promises";
import { Cluster } from "ioredis";
import { type RedisCluster, startRedisCluster } from "../../support/servers/redis_cluster.ts";
import type { RedisServer } from "../../support/servers/redis.ts";
import type { ClusterFault, Engine, Servers } from "./engine.ts";
import { openRedisClients, type TrialOptions, withLosses } from "./redis_clients.ts";

/** Milliseconds for which all servers stand still. */
const STANDSTILL = 8_000;
/** Milliseconds of silence after which a node counts as gone. */
const NODE_TIMEOUT = 2_000;
/** All keys of the trials lie on the node that has this one. */
const TAG = "{trials}";

const SETTINGS = `\`cluster-node-timeout ${NODE_TIMEOUT}\``;

/** Three masters, each with a replica. */
export const REDIS_CLUSTER: Engine = {
  name: "Redis Cluster 3+3",
  program: "redis-server",
  settings: SETTINGS,
  start: () => start({}),
};

/** The same, with clients that wait for the replica. */
export const REDIS_CLUSTER_WAITING: Engine = {
  name: "Redis Cluster 3+3, waiting",
  program: "redis-server",
  settings: `${SETTINGS}; \`waitReplicas: { count: 1, timeout: 500 }\``,
  needsAll: true,
  start: () => start({ waitReplicas: { count: 1, timeout: 500 } }),
};

async function start(options: TrialOptions): Promise<Servers> {
  const cluster = await startRedisCluster({
    replicas: 1,
    args: ["--cluster-node-timeout", `${NODE_TIMEOUT}`],
  });
  const client = new Cluster(cluster.servers.map(({ host, port }) => ({ host, port })), {
    lazyConnect: true,
  });
  return {
    faults: faultsOf(cluster).map((fault) => withLosses(fault, options)),
    open: (id) => openRedisClients({ client }, `${TAG}-${id}`, options),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

function faultsOf(cluster: RedisCluster): ClusterFault[] {
  let master: RedisServer;
  return [
    {
      name: "master stopped (SIGSTOP)",
      async begin() {
        master = await cluster.masterOf(TAG);
        await master.pause();
        await cluster.untilMasterIsNot(master, TAG);
      },
      async end() {
        master.continue();
        await cluster.untilOk();
      },
    },
    {
      name: "master killed (SIGKILL)",
      async begin() {
        master = await cluster.masterOf(TAG);
        await master.kill();
        await cluster.untilMasterIsNot(master, TAG);
      },
      async end() {
        await master.restart();
        await cluster.untilOk();
      },
    },
    {
      name: "graceful failover",
      async begin() {
        await cluster.failOver(await cluster.masterOf(TAG), TAG);
      },
      end: () => cluster.untilOk(),
    },
    {
      name: "all nodes stopped for 8 s",
      isLong: true,
      async begin() {
        await Promise.all(cluster.servers.map((server) => server.pause()));
        await delay(STANDSTILL);
        for (const server of cluster.servers) server.continue();
        await cluster.untilOk();
      },
      end: () => Promise.resolve(),
    },
  ];
}
