import { MemcachedRateLimiterBackend } from "@dq/dramatiq";
import { MemcachedConnection } from "../../results/backends/memcached_connection.ts";
import { rateLimiterBackendConformance } from "../conformance/rate_limiter_backend.ts";
import { startOwnMemcached } from "../support/servers/memcached.ts";
import { after } from "../support/test.ts";

const server = await startOwnMemcached();
const connection = new MemcachedConnection({ servers: server.address });
after(async () => {
  connection.close();
  await server.stop();
});

rateLimiterBackendConformance({
  name: "MemcachedBackend",
  open: () => new MemcachedRateLimiterBackend({ servers: server.address }),
  forget: async (key) => void await connection.delete(key),
  endClaim: async (group) => void await connection.delete(`${group}@claim`),
  address: { kind: "memcached", address: server.address },
  restart: () => server.restart(),
  skips: {
    incrExactly: "memcached cannot compare before it counts: of several who come at the same " +
      "moment it may refuse more than it would have to",
    decrRefused:
      "memcached counts down to 0 and no further, and does not tell whether it would have",
  },
});
