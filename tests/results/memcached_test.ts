import { MemcachedResultBackend } from "@dq/dramatiq";
import { MemcachedConnection } from "../../clients/memcached/connection.ts";
import { resultBackendConformance } from "../conformance/result_backend.ts";
import { startMemcached } from "../support/servers/memcached.ts";
import { after } from "../support/test.ts";

const server = await startMemcached();
const memcached = new MemcachedConnection({ servers: server.address });
after(async () => {
  memcached.close();
  await server.stop();
});

resultBackendConformance({
  name: "MemcachedResultBackend",
  create: (options) => new MemcachedResultBackend({ servers: server.address, ...options }),
  putRaw: (key, data) => memcached.set(key, data),
  ...(server.isOwn
    ? { restart: () => server.restart() }
    : { skips: { outage: "others use the server, too" } }),
});
