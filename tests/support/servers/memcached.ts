import { Buffer } from "node:buffer";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { addressOf, exchange } from "./exchange.ts";
import { freePort } from "./free_port.ts";
import { ADDRESS_VARIABLES, ensureInstalled } from "./install.ts";
import { createServerFolder, TestServer } from "./test_server.ts";

/** Options for {@linkcode startMemcached}. */
export interface MemcachedOptions {
  /** Port on 127.0.0.1. @default {freePort()} */
  port?: number;
  /** True if users must log in; there are none. @default {false} */
  sasl?: boolean;
  /** More arguments for `memcached`. @default {[]} */
  args?: readonly string[];
}

/** A memcached for tests and benchmarks. */
export class MemcachedServer extends TestServer {
  /** For clients: host and port. */
  get address(): string {
    return `${this.host}:${this.port}`;
  }

  /** True if it answers. */
  protected override async isReady(): Promise<boolean> {
    const answer = await exchange(this, "version\r\n", (received) => {
      return received.includes("\r\n") ? received.toString() : undefined;
    });
    return answer.startsWith("VERSION");
  }
}

/** One that asks users to log in. It speaks only binary then. */
class ClosedMemcached extends MemcachedServer {
  /** True if it answers. */
  protected override async isReady(): Promise<boolean> {
    const NOOP = `\x80\x0a${"\0".repeat(22)}`;
    const answer = await exchange(this, Buffer.from(NOOP, "latin1"), (received) => received[0]);
    return answer === RESPONSE;
  }
}

/** First byte of each response ("Memcached Binary Protocol", 3.1). */
const RESPONSE = 0x81;

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
 * A memcached that runs already.
 *
 * @param address Host and port.
 */
export function attachMemcached(address: string): MemcachedServer {
  return new MemcachedServer(addressOf(`tcp://${address}`, 11211));
}

/** Starts a memcached, even if the environment names one. */
export async function startOwnMemcached(options: MemcachedOptions = {}): Promise<MemcachedServer> {
  const program = await ensureInstalled("memcached");
  const { port = await freePort(), sasl = false, args = [] } = options;
  // It refuses to run as root without this option.
  const user = process.getuid?.() === 0 ? ["-u", "root"] : [];
  const folder = await createServerFolder("memcached");
  if (sasl) await writeFile(join(folder, "memcached.conf"), saslSettings(folder));
  const mechanisms = sasl ? ["-S"] : [];
  const Server = sasl ? ClosedMemcached : MemcachedServer;
  const server = new Server({ host: "127.0.0.1", port }, {
    program,
    args: ["-l", "127.0.0.1", "-p", `${port}`, "-U", "0", ...user, ...mechanisms, ...args],
    env: { SASL_CONF_PATH: folder },
    folder,
  });
  await server.restart();
  return server;
}

/** Names and passwords are looked up in a file, which is not there (Cyrus SASL, "Options"). */
function saslSettings(folder: string): string {
  return `mech_list: plain\npwcheck_method: auxprop\nsasldb_path: ${join(folder, "users")}\n`;
}
