import process from "node:process";
import { addressOf, exchange } from "./exchange.ts";
import { freePort } from "./free_port.ts";
import { ADDRESS_VARIABLES, ensureInstalled } from "./install.ts";
import { createServerFolder, TestServer } from "./test_server.ts";

/** Options for {@linkcode startMemcached}. */
export interface MemcachedOptions {
  /** Where it listens on 127.0.0.1. @default {freePort()} */
  port?: number;
  /** More arguments for `memcached`. @default {[]} */
  args?: readonly string[];
}

/** A memcached for tests and benchmarks. */
export class MemcachedServer extends TestServer {
  /** For clients: host and port. */
  get address(): string {
    return `${this.host}:${this.port}`;
  }

  /** Whether it answers. */
  protected override async isReady(): Promise<boolean> {
    const answer = await exchange(this, "version\r\n", (received) => {
      return received.includes("\r\n") ? received.toString() : undefined;
    });
    return answer.startsWith("VERSION");
  }
}

/**
 * Starts a memcached, or gives the one that `TEST_MEMCACHED_ADDRESS` names, which other
 * tests use too and for which the options do not count.
 *
 * @param options How to run it.
 */
export async function startMemcached(options: MemcachedOptions = {}): Promise<MemcachedServer> {
  const address = process.env[ADDRESS_VARIABLES["memcached"]];
  return address ? attachMemcached(address) : await startOwnMemcached(options);
}

/**
 * Gives a memcached that somebody else runs.
 *
 * @param address Host and port.
 */
export function attachMemcached(address: string): MemcachedServer {
  return new MemcachedServer(addressOf(`tcp://${address}`, 11211));
}

/** Starts a memcached, whatever the environment says. */
export async function startOwnMemcached(options: MemcachedOptions = {}): Promise<MemcachedServer> {
  const program = await ensureInstalled("memcached");
  const { port = await freePort(), args = [] } = options;
  // It refuses to run as root unless it is told to.
  const user = process.getuid?.() === 0 ? ["-u", "root"] : [];
  const server = new MemcachedServer({ host: "127.0.0.1", port }, {
    program,
    args: ["-l", "127.0.0.1", "-p", `${port}`, "-U", "0", ...user, ...args],
    folder: await createServerFolder("memcached"),
  });
  await server.restart();
  return server;
}
