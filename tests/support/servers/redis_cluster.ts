import { freePort } from "./free_port.ts";
import { type RedisServer, startOwnRedis } from "./redis.ts";
import { until } from "./until.ts";

/** Options for {@linkcode startRedisCluster}. */
export interface RedisClusterOptions {
  /** Number of masters that share the slots. @default {3} */
  nodes?: number;
  /** Number of replicas that follow each master. @default {0} */
  replicas?: number;
  /** More arguments for each `redis-server`. @default {[]} */
  args?: readonly string[];
}

/** Masters that share the slots of a Redis cluster, and replicas of them. */
export class RedisCluster implements AsyncDisposable {
  /** Servers that were masters at first, in the order of their slots. */
  readonly nodes: readonly RedisServer[];
  /** Servers that were replicas at first. */
  readonly replicas: readonly RedisServer[];

  /**
   * @param nodes Running servers in cluster mode.
   * @param replicas Others that follow them.
   */
  constructor(nodes: readonly RedisServer[], replicas: readonly RedisServer[] = []) {
    this.nodes = nodes;
    this.replicas = replicas;
  }

  /** Masters and replicas. */
  get servers(): readonly RedisServer[] {
    return [...this.nodes, ...this.replicas];
  }

  /** For clients: each node. */
  get urls(): string[] {
    return this.nodes.map(({ url }) => url);
  }

  /** Waits until every node sees the whole cluster in order, after a restart for example. */
  async untilOk(): Promise<void> {
    const { length } = this.nodes;
    const states = this.servers.map((node) =>
      until(async () => {
        const info = String(await node.command("CLUSTER", "INFO"));
        return info.includes("cluster_state:ok") && info.includes(`cluster_size:${length}\r`) &&
          await this.#isInSync(node);
      }, { what: `form a Redis cluster of ${length}`, timeout: 90_000 })
    );
    await Promise.all(states);
  }

  /** The master that has a key by now. */
  async masterOf(key: string): Promise<RedisServer> {
    const masters = await Promise.allSettled(this.servers.map(async (node) => {
      await node.command("EXISTS", key); // MOVED, from all others
      const [role] = await node.command("ROLE") as unknown[];
      if (String(role) !== "master") throw new Error("It is a replica");
      return node;
    }));
    const found = masters.find(({ status }) => status === "fulfilled");
    if (found?.status === "fulfilled") return found.value;
    throw new Error(`Cannot find the master of ${key}: no node has it`);
  }

  /** Waits until another server is the master of a key, after a kill for example. */
  async untilMasterIsNot(server: RedisServer, key: string): Promise<RedisServer> {
    const others = new RedisCluster(this.servers.filter((one) => one !== server));
    await until(async () => await others.masterOf(key) !== server, {
      what: `replace the master at port ${server.port}`,
      timeout: 30_000,
    });
    return await others.masterOf(key);
  }

  /** Makes a replica of a master take over from it, with all that the master has. */
  async failOver(server: RedisServer, key: string): Promise<RedisServer> {
    const replica = await this.#replicaOf(server);
    await replica.command("CLUSTER", "FAILOVER");
    await until(async () => (await this.masterOf(key)) === replica, { what: "fail over" });
    return replica;
  }

  async #replicaOf({ port }: RedisServer): Promise<RedisServer> {
    for (const node of this.servers) {
      const [role, , masterPort] = await node.command("ROLE") as unknown[];
      if (String(role) === "slave" && Number(masterPort) === port) return node;
    }
    throw new Error(`Cannot find a replica of the master at port ${port}`);
  }

  /** True if a node is a master, or has all that its master has. */
  async #isInSync(node: RedisServer): Promise<boolean> {
    if (this.replicas.length === 0) return true;
    const info = String(await node.command("INFO", "replication"));
    return info.includes("role:master") || info.includes("master_link_status:up");
  }

  /** The node that has a key, unless its slot was moved. */
  async nodeOf(key: string): Promise<RedisServer> {
    const slot = await this.nodes[0]!.command("CLUSTER", "KEYSLOT", key) as number;
    return this.nodes[Math.floor(slot * this.nodes.length / 16_384)]!;
  }

  /** Moves the slot of a key, with all that is in it. */
  async moveSlot(key: string, source: RedisServer, target: RedisServer): Promise<void> {
    const slot = await source.command("CLUSTER", "KEYSLOT", key) as number;
    const [from, to] = await Promise.all(
      [source, target].map(async (one) => String(await one.command("CLUSTER", "MYID"))),
    );
    await target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", from!);
    await source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", to!);
    const keys = await source.command("CLUSTER", "GETKEYSINSLOT", slot, 1_000) as string[];
    if (keys.length > 0) {
      await source.command("MIGRATE", target.host, target.port, "", 0, 5_000, "KEYS", ...keys);
    }
    for (const one of [target, source, ...this.nodes]) {
      await one.command("CLUSTER", "SETSLOT", slot, "NODE", to!);
    }
  }

  /** Ends all nodes and removes their files. */
  async stop(): Promise<void> {
    await Promise.all(this.servers.map((node) => node.stop()));
  }

  /** As {@linkcode stop}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

const SLOTS = 16_384;

/**
 * Starts a cluster of masters, with or without replicas. Redis itself takes two seconds to declare
 * it in order.
 *
 * @param options How many, and how to run them.
 */
export async function startRedisCluster(
  { nodes: length = 3, replicas = 0, args = [] }: RedisClusterOptions = {},
): Promise<RedisCluster> {
  const busPorts = await Promise.all(
    Array.from({ length: length * (1 + replicas) }, () => freePort()),
  );
  const servers = await Promise.all(
    busPorts.map((busPort) =>
      startOwnRedis({ args: ["--cluster-enabled", "yes", "--cluster-port", `${busPort}`, ...args] })
    ),
  );
  const nodes = servers.slice(0, length);
  const cluster = new RedisCluster(nodes, servers.slice(length));
  try {
    await Promise.all(nodes.map(dealSlots));
    await Promise.all(servers.map((node) => introduce(node, servers, busPorts)));
    await Promise.all(cluster.replicas.map((node, i) => follow(node, nodes[i % length]!)));
    await cluster.untilOk();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

/** Makes a node the replica of another, once it has heard of that. */
async function follow(node: RedisServer, master: RedisServer): Promise<void> {
  const id = String(await master.command("CLUSTER", "MYID"));
  await until(async () => await node.command("CLUSTER", "REPLICATE", id) === "OK", {
    what: "make a node follow its master",
  });
}

async function dealSlots(node: RedisServer, i: number, { length }: RedisServer[]): Promise<void> {
  const first = Math.floor(SLOTS * i / length);
  const last = Math.floor(SLOTS * (i + 1) / length) - 1;
  // Nodes of the same epoch would have to settle first who is whose senior.
  await node.command("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
  await node.command("CLUSTER", "ADDSLOTSRANGE", first, last);
}

/** Makes a node meet all others; hearing of them through a third takes longer. */
async function introduce(
  node: RedisServer,
  nodes: RedisServer[],
  busPorts: number[],
): Promise<void> {
  for (const [i, { host, port }] of nodes.entries()) {
    if (port !== node.port) await node.command("CLUSTER", "MEET", host, port, busPorts[i]!);
  }
}
