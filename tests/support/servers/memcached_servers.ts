import { type MemcachedServer, startOwnMemcached } from "./memcached.ts";

/** Fault of one server of several. */
export interface ServerFault {
  /** After "one": what it does. */
  readonly name: string;
  begin(server: MemcachedServer): Promise<void>;
  /** Brings it back. It may have forgotten everything. */
  end(server: MemcachedServer): Promise<void>;
}

/** Away at once, and away without a word. */
export const SERVER_FAULTS: readonly ServerFault[] = [
  { name: "is dead", begin: (server) => server.kill(), end: (server) => server.restart() },
  {
    name: "hangs",
    begin: (server) => server.pause(),
    end: (server) => Promise.resolve(server.continue()),
  },
];

/** Starts three servers and stops them afterwards. */
export async function withServers(
  body: (servers: readonly MemcachedServer[], addresses: readonly string[]) => Promise<void>,
): Promise<void> {
  await using first = await startOwnMemcached();
  await using second = await startOwnMemcached();
  await using third = await startOwnMemcached();
  const servers = [first, second, third];
  await body(servers, servers.map(({ address }) => address));
}
