import { freePort } from "./free_port.ts";
import { type RedisServer, startOwnRedis } from "./redis.ts";
import { until } from "./until.ts";

/** Options for {@linkcode startRedisCluster}. */
export interface RedisClusterOptions {
  /** How many masters share the slots. @default {3} */
  nodes?: number;
  /** More arguments for each `redis-server`. @default {[]} */
  args?: readonly string[];
}

/** Masters that share the slots of a Redis cluster. */
export class RedisCluster implements AsyncDisposable {
  /** In the order of their slots. */
  readonly nodes: readonly RedisServer[];

  /** @param nodes Running servers in cluster mode. */
  constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  /** For clients: each node. */
  get urls(): string[] {
    return this.nodes.map(({ url }) => url);
  }

  /** Waits until every node sees the whole cluster in order, after a restart for example. */
  async untilOk(): Promise<void> {
    const { length } = this.nodes;
    const states = this.nodes.map((node) =>
      until(async () => {
        const info = String(await node.command("CLUSTER", "INFO"));
        return info.includes("cluster_state:ok") && info.includes(`cluster_size:${length}\r`);
      }, { what: `form a Redis cluster of ${length}` })
    );
    await Promise.all(states);
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
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  /** As {@linkcode stop}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

const SLOTS = 16_384;

/**
 * Starts a cluster of masters without replicas. Redis itself takes two seconds to declare it
 * in order.
 *
 * @param options How many, and how to run them.
 */
export async function startRedisCluster(
  { nodes: length = 3, args = [] }: RedisClusterOptions = {},
): Promise<RedisCluster> {
  const busPorts = await Promise.all(Array.from({ length }, () => freePort()));
  const nodes = await Promise.all(
    busPorts.map((busPort) =>
      startOwnRedis({ args: ["--cluster-enabled", "yes", "--cluster-port", `${busPort}`, ...args] })
    ),
  );
  const cluster = new RedisCluster(nodes);
  try {
    await Promise.all(nodes.map(dealSlots));
    await Promise.all(nodes.map((node) => introduce(node, nodes, busPorts)));
    await cluster.untilOk();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
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
