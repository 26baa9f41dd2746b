import { setTimeout as delay } from "node:timers/promises";
import { MemcachedRateLimiterBackend, MemcachedResultBackend, StubBroker } from "@dq/dramatiq";
import { serverIndex } from "../../../clients/memcached/servers.ts";
import { type MemcachedServer, startOwnMemcached } from "../../support/servers/memcached.ts";
import type { ClusterFault, Engine } from "./engine.ts";

/** Milliseconds for which servers are away. */
const STANDSTILL = 5_000;
/** The server that fails, of three. The limiter lies on another. */
const AWAY = 1;

/** Three servers for results and limits; messages are in memory. */
export const MEMCACHED_SERVERS: Engine = {
  name: "memcached ×3",
  program: "memcached",
  settings: "none; messages in memory, results and limits on the servers",
  async start() {
    const servers = [
      await startOwnMemcached(),
      await startOwnMemcached(),
      await startOwnMemcached(),
    ];
    const addresses = servers.map(({ address }) => address);
    return {
      faults: faultsOf(servers),
      open(id) {
        const broker = new StubBroker({ failFast: false });
        const results = new MemcachedResultBackend({ servers: addresses });
        const limits = new MemcachedRateLimiterBackend({ servers: addresses });
        return {
          sender: broker,
          worker: broker,
          results,
          limits,
          limitKey: limitKeyOf(id),
          close: async () => {
            for (const one of [broker, results, limits]) await one.close();
          },
        };
      },
      async [Symbol.asyncDispose]() {
        for (const server of servers) await server.stop();
      },
    };
  },
};

/** A server that is killed forgets who has a slot: nothing can keep that limit. */
function limitKeyOf(id: string): string {
  for (let i = 0;; i++) {
    const key = `slots-${id}-${i}`;
    if (serverIndex(`${key}@leases`, 3) !== AWAY) return key;
  }
}

function faultsOf(servers: readonly MemcachedServer[]): ClusterFault[] {
  const server = servers[AWAY]!;
  const standStill = async (some: readonly MemcachedServer[]) => {
    await Promise.all(some.map((one) => one.pause()));
    await delay(STANDSTILL);
    for (const one of some) one.continue();
  };
  const end = () => Promise.resolve();
  return [
    { name: "one server stopped for 5 s (SIGSTOP)", begin: () => standStill([server]), end },
    {
      name: "one server killed for 5 s (SIGKILL)",
      mayForget: "memcached keeps nothing on disk",
      isLong: true,
      async begin() {
        await server.kill();
        await delay(STANDSTILL);
        await server.restart();
      },
      end,
    },
    {
      name: "all servers stopped for 5 s (SIGSTOP)",
      isLong: true,
      begin: () => standStill(servers),
      end,
    },
  ];
}
