import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ServerAddress } from "./exchange.ts";
import { freePort } from "./free_port.ts";
import { ensureInstalled } from "./install.ts";
import { RedisServer, startOwnRedis } from "./redis.ts";
import { createServerFolder } from "./test_server.ts";
import { until } from "./until.ts";

/** Options for {@linkcode startRedisSentinel}. */
export interface RedisSentinelOptions {
  /** Number of sentinels that watch. More than half must agree that a master is gone. @default {1} */
  sentinels?: number;
  /** Milliseconds of silence after which a master counts as gone. @default {500} */
  downAfter?: number;
  /** Number of replicas that follow the master. @default {1} */
  replicas?: number;
  /** More arguments for each server. @default {[]} */
  args?: readonly string[];
  /**
   * Password that clients must give the servers. Then replicas and sentinels are another user of them, so
   * that {@linkcode RedisSentinel.isolate} can shut out those only.
   *
   * @default {undefined} Nothing.
   */
  password?: string;
}

/** State of a server as a sentinel knows it: about a server, by the names that Redis gives it. */
type ServerState = Readonly<Record<string, string | undefined>>;

/** A master and its replicas under the watch of sentinels. */
export class RedisSentinel implements AsyncDisposable {
  /** Name that clients ask the sentinels for. */
  readonly name = "main";
  /** The master and its replicas; which is which may change. */
  readonly servers: readonly RedisServer[];
  /** Sentinels. One that is restarted looks as rarely as sentinels do by default. */
  readonly sentinels: readonly RedisServer[];

  /**
   * @param servers The master and its replicas.
   * @param sentinels Those who watch.
   */
  constructor(servers: readonly RedisServer[], sentinels: readonly RedisServer[]) {
    this.servers = servers;
    this.sentinels = sentinels;
  }

  /** For clients: where the sentinels listen. */
  get addresses(): ServerAddress[] {
    return this.sentinels.map(({ host, port }) => ({ host, port }));
  }

  /** Asks the first sentinel that answers which server is the master. */
  async master(): Promise<RedisServer> {
    const { port } = await Promise.any(this.sentinels.map((sentinel) => this.#ask(sentinel)));
    return this.servers.find((server) => `${server.port}` === port)!;
  }

  /**
   * Makes a replica the master and the master a replica.
   *
   * @returns The new master.
   */
  async failOver(): Promise<RedisServer> {
    const before = await this.master();
    const [sentinel] = this.sentinels;
    await until(async () => {
      const { port, flags = "" } = await this.#ask(sentinel!);
      if (port !== `${before.port}`) return true;
      // It gives up when its news of the replica is too old, and has to be asked again.
      if (!flags.includes("failover_in_progress")) {
        await sentinel!.command("SENTINEL", "FAILOVER", this.name);
      }
      return false;
    }, { what: "fail over" });
    const after = await this.untilMasterIsNot(before);
    await this.untilOk();
    return after;
  }

  /** Cuts a server off from all others, which it refuses; clients reach it. */
  async isolate(server: RedisServer): Promise<void> {
    await server.command("ACL", "SETUSER", PEER.name, "off");
    await server.command("CLIENT", "KILL", "USER", PEER.name);
  }

  /** Ends {@linkcode isolate}. Resolves when the sentinels see all servers as they should be. */
  async rejoin(server: RedisServer): Promise<void> {
    await server.command("ACL", "SETUSER", PEER.name, "on");
    await this.untilOk();
  }

  /**
   * Waits until the sentinels have agreed on another master, after a kill for example.
   *
   * @returns The new master.
   */
  async untilMasterIsNot(server: RedisServer): Promise<RedisServer> {
    await until(async () => {
      const states = await Promise.all(this.sentinels.map((sentinel) => this.#ask(sentinel)));
      return states.every(({ port }) => port !== `${server.port}`);
    }, { what: `replace the master at port ${server.port}`, timeout: 30_000 });
    return await this.master();
  }

  /**
   * Waits until every sentinel knows all the others and sees all replicas follow the master.
   * Before, there would be no replica to promote at the next failure.
   */
  async untilOk(): Promise<void> {
    const others = `${this.sentinels.length - 1}`;
    const replicas = this.servers.length - 1;
    const waits = this.sentinels.map((sentinel) =>
      until(async () => {
        const master = await this.#ask(sentinel);
        const replies = await sentinel.command("SENTINEL", "REPLICAS", this.name) as string[][];
        const following = replies.map(toRecord).filter((replica) =>
          replica["flags"] === "slave" && replica["master-port"] === master["port"] &&
          replica["master-link-status"] === "ok"
        );
        return master["flags"] === "master" && master["num-other-sentinels"] === others &&
          following.length === replicas;
      }, { what: "make the sentinels see a master and its replicas", timeout: 30_000 })
    );
    await Promise.all(waits);
  }

  /** Ends all servers and removes their files. */
  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map((server) => server.stop()));
  }

  /** As {@linkcode stop}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #ask(sentinel: RedisServer): Promise<ServerState> {
    return toRecord(await sentinel.command("SENTINEL", "MASTER", this.name) as string[]);
  }
}

/** Converts an answer given as name, value, name, value … */
function toRecord(fields: string[]): ServerState {
  const pairs = fields.flatMap((name, i) => i % 2 === 0 ? [[name, fields[i + 1]]] : []);
  return Object.fromEntries(pairs);
}

/** Milliseconds between looks, which by default are 1 to 10 s. */
const PERIODS = [
  ...["INFO-PERIOD", 300],
  // Of a master that is gone, a replica counts only with news younger than five of these;
  // there is news once a second then.
  ...["PING-PERIOD", 300],
  ...["ASK-PERIOD", 100],
  // Four of these after a promotion, a sentinel that does not know of it reverts it. The
  // one that leads may see it only after a second, and then tells the others.
  ...["PUBLISH-PERIOD", 400],
];

/** As whom replicas and sentinels come to servers that want a password. */
const PEER = { name: "peer", password: "of-peers" };

/** The same for a sentinel. */
const PEER_AUTH = `sentinel auth-user main ${PEER.name}
sentinel auth-pass main ${PEER.password}
`;

/** Has a server know the others as such, and follow a master as one of them. */
const PEER_ARGS = [
  ...["--user", PEER.name, "on", `>${PEER.password}`, "~*", "&*", "+@all"],
  ...["--masteruser", PEER.name, "--masterauth", PEER.password],
];

/**
 * Starts a master, its replicas and sentinels that notice things quickly.
 *
 * @param options How many sentinels, and how quickly.
 */
export async function startRedisSentinel(
  { sentinels: length = 1, downAfter = 500, replicas = 1, ...more }: RedisSentinelOptions = {},
): Promise<RedisSentinel> {
  const { args = [], password } = more;
  const peers = password === undefined ? [] : PEER_ARGS;
  const options = {
    args: ["--repl-diskless-sync-delay", "0", ...peers, ...args],
    ...(password !== undefined && { password }),
  };
  const master = await startOwnRedis(options);
  const followers = await Promise.all(
    Array.from({ length: replicas }, () => startReplica(master, options)),
  );
  const sentinels = await Promise.all(
    Array.from({ length }, () => startSentinel(master, Math.floor(length / 2) + 1, downAfter)),
  );
  const system = new RedisSentinel([master, ...followers], sentinels);
  await system.untilOk();
  return system;
}

/** Starts a server that follows another: a sentinel asks for them when it starts, and then rarely. */
async function startReplica(
  { host, port }: RedisServer,
  { args, ...options }: { readonly args: readonly string[]; readonly password?: string },
): Promise<RedisServer> {
  const following = ["--replicaof", host, `${port}`];
  const replica = await startOwnRedis({ ...options, args: [...args, ...following] });
  await until(
    async () => String(await replica.command("INFO", "replication")).includes("link_status:up"),
    { what: "make a replica follow its master" },
  );
  return replica;
}

async function startSentinel(
  { host, port: masterPort, url }: RedisServer,
  quorum: number,
  downAfter: number,
): Promise<RedisServer> {
  const program = await ensureInstalled("redis-server");
  const folder = await createServerFolder("redis-server");
  const port = await freePort();
  const file = join(folder, "sentinel.conf"); // It writes what it learns into it.
  await writeFile(
    file,
    `bind 127.0.0.1
port ${port}
dir "${folder}"
sentinel monitor main ${host} ${masterPort} ${quorum}
sentinel down-after-milliseconds main ${downAfter}
sentinel failover-timeout main 2000
${new URL(url).password === "" ? "" : PEER_AUTH}`,
  );
  const sentinel = new RedisServer(`redis://127.0.0.1:${port}`, {
    program,
    args: [file, "--sentinel"],
    folder,
  });
  await sentinel.restart();
  await sentinel.command("SENTINEL", "DEBUG", ...PERIODS);
  return sentinel;
}
