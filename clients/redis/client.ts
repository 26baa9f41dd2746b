import type { Cluster, Redis, RedisOptions } from "ioredis";
import { exportsOf, missingPackage } from "../../platform/missing_package.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import { prepare } from "./prepared_client.ts";
import { isReadOnly, isShortOfReplicas } from "./errors.ts";
import { ANSWER_TIMEOUT } from "./watchdog.ts";

/** Options of ioredis, as its documentation names them. */
export type RedisConnectionOptions = Readonly<Record<string, unknown>>;

/** A client of ioredis: a `Redis`, for one server or Sentinel, or a `Cluster`. */
export interface RedisClient {
  /** Makes another client of the same servers. */
  // deno-lint-ignore no-explicit-any -- that of `Redis` and that of `Cluster` have nothing in common
  duplicate(...args: any[]): unknown;
}

/** The part of an ioredis client that is used here. */
export interface Client {
  readonly status: string;
  on(event: "connecting" | "connect" | "ready" | "close" | "end", listener: () => void): this;
  on(event: "error", listener: (error: Error) => void): this;
  on(
    event: "messageBuffer",
    listener: (channel: Uint8Array, message: readonly Uint8Array[] | null) => void,
  ): this;
  callBuffer(command: string, ...args: unknown[]): Promise<unknown>;
  disconnect(reconnect?: boolean): void;
}

/** Address of the servers. */
export type RedisSource =
  | { readonly client: RedisClient }
  | { readonly connection: RedisConnectionOptions; readonly isDefault?: boolean };

/** Arguments of a `Cluster`. */
interface Nodes {
  readonly startupNodes: readonly { host?: string; port?: number }[];
}

/**
 * Milliseconds that an attempt to connect may take: less than a command, since a server that is
 * well again is found by the attempt after the one that it did not answer.
 */
export const CONNECT_TIMEOUT = 2_000;
/** Milliseconds in which a Sentinel answers; then the next one is asked. */
const SENTINEL_TIMEOUT = 1_000;
/** Milliseconds in which a node of a cluster tells where keys are; then the next one is asked. */
const SLOTS_TIMEOUT = 1_000;

/** Milliseconds between two looks for a master that may not be the one that is connected to. */
const LOOK_INTERVAL = 1_000;

/**
 * Options that decide what becomes of commands when a connection fails: they fail
 * with it. ioredis would send them again, and then a fetch whose answer was lost, or a
 * message that is on the queue already, would go unnoticed.
 */
const FAIL_WITH_THE_CONNECTION = {
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  enableOfflineQueue: true,
  maxRetriesPerRequest: 0,
  connectTimeout: CONNECT_TIMEOUT,
  sentinelCommandTimeout: SENTINEL_TIMEOUT,
  // How long to wait at most before asking again a server that is loading its data.
  maxLoadingRetryTime: 250,
  lazyConnect: true, // it is made ready first
  // After a failover the old address may lead to a replica: look for the master again.
  reconnectOnError: (error: Error): boolean => isReadOnly(error),
} satisfies RedisOptions;

/**
 * Milliseconds that an attempt to connect may take until commands are answered: connect, TLS, hello
 * and authentication; with Sentinels and clusters, as many of which may be silent, also the
 * question where to connect to.
 */
export function attemptTimeout(source: RedisSource): number {
  const options = "connection" in source ? source.connection : (source.client as Redis).options;
  const { sentinels } = options as Partial<Redis["options"]>;
  const { startupNodes } = ("client" in source ? source.client : {}) as Partial<Nodes>;
  return CONNECT_TIMEOUT + SENTINEL_TIMEOUT * (sentinels?.length ?? 0) +
    SLOTS_TIMEOUT * (startupNodes?.length ?? 0);
}

/** Opens a client that connects again by itself, for commands. */
export async function openClient(source: RedisSource): Promise<Client> {
  const options = {
    ...FAIL_WITH_THE_CONNECTION,
    retryStrategy: retryDelay,
    enableOfflineQueue: false,
  };
  if (isSentinelSource(source)) options.reconnectOnError = suspectsMaster();
  if ("connection" in source) return await newClient({ ...source.connection, ...options });
  const client = source.client as Redis | Cluster;
  if (!isCluster(client)) return connect(client.duplicate(options));
  const redisOptions: object = {
    ...client.options.redisOptions,
    ...FAIL_WITH_THE_CONNECTION,
    lazyConnect: false,
    socketTimeout: ANSWER_TIMEOUT,
  };
  return connect(client.duplicate([], {
    redisOptions,
    clusterRetryStrategy: retryDelay,
    slotsRefreshTimeout: SLOTS_TIMEOUT,
    lazyConnect: true,
    enableOfflineQueue: false,
    // What was cut off may have run, and what was refused is tried again by whoever knows for how
    // long: the client would do so in silence.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
  }));
}

/** Begins to connect. */
function connect(client: Redis | Cluster): Client {
  prepare(client).connect().catch(() => {}); // its events tell
  return client as unknown as Client;
}

/**
 * True if an answer may come from a master that has been replaced: its replicas follow another one
 * by then, or it is a replica itself. If not, the master is looked for once a second.
 */
function suspectsMaster(): (error: Error) => boolean {
  let lookedAt = -Infinity;
  return (error) => {
    if (isReadOnly(error)) return true;
    if (!isShortOfReplicas(error) || performance.now() - lookedAt < LOOK_INTERVAL) return false;
    lookedAt = performance.now();
    return true;
  };
}

/**
 * Opens a client that ends with its connection, of the server that has a key, to
 * hear of changes. It speaks RESP2: ioredis has no event for what servers push otherwise.
 *
 * @param source Where the servers are.
 * @param own The broker's own client, which knows best where keys of a cluster are by now.
 * @param key The key.
 * @param isUnref True if it lets the process end while it is idle.
 */
export async function openListener(
  source: RedisSource,
  own: Client,
  key: string,
  isUnref: boolean,
): Promise<Client> {
  const client = await openOneListener(source, own, key);
  if (isUnref) unrefWhenReady(client);
  return client;
}

async function openOneListener(source: RedisSource, own: Client, key: string): Promise<Client> {
  const options: RedisOptions = {
    ...FAIL_WITH_THE_CONNECTION,
    protocol: 2,
    reconnectOnError: null,
    retryStrategy: null,
  };
  if ("connection" in source) return await newClient({ ...source.connection, ...options });
  const server = await serverOf(own, key) as unknown as Redis;
  return connect(server.duplicate(options));
}

/** @returns What speaks to the one server that has a key. */
export async function serverOf(client: Client, key: string): Promise<Client> {
  const either = client as unknown as Redis | Cluster;
  return isCluster(either) ? await nodeOf(either, key) as unknown as Client : client;
}

/**
 * Ends connections that may be half-open, without waiting for the other side.
 *
 * @returns Whether there are any; not while a Sentinel or a cluster is asked where to connect to.
 */
export function breakOff(client: Client, reason: string): boolean {
  const either = client as unknown as Redis | Cluster;
  const streams = (isCluster(either) ? either.nodes("all") : [either])
    .map(({ stream }) => stream as typeof stream | undefined)
    .filter((stream) => stream !== undefined && !stream.destroyed);
  for (const stream of streams) stream!.destroy(new Error(reason));
  return streams.length > 0;
}

/**
 * Lets the process end while a client is connected and idle. Open questions keep it running by the
 * timer of their watchdog, and attempts to connect by their own.
 *
 * Not for a cluster, whose client has further timers.
 */
export function unrefWhenReady(client: Client): void {
  client.on("ready", () => {
    const { stream } = client as unknown as Partial<Redis>;
    (stream as { unref?(): void } | undefined)?.unref?.();
  });
}

/** Calls back whenever a node of a cluster is cut off that commands may have been written to. */
export function onSevered(client: Client, severed: () => void): void {
  const cluster = client as unknown as Redis | Cluster;
  if (!isCluster(cluster)) return;
  const watch = (node: Redis) => {
    // Behind that of the client, and so before anybody hears of what has failed.
    const listen = () => node.stream.once("close", severed);
    if (node.status === "ready") listen();
    node.on("ready", listen);
  };
  for (const node of cluster.nodes("all")) watch(node);
  cluster.on("+node", watch);
}

/** True if a source is a cluster. */
export function isClusterSource(source: RedisSource): boolean {
  return "client" in source && isCluster(source.client as Redis | Cluster);
}

/** Options of a source's client, which contain passwords. */
export function optionsOf(source: RedisSource): unknown {
  if ("connection" in source) return source.connection;
  const { options, startupNodes } = source.client as unknown as Redis & Nodes;
  return { options, startupNodes };
}

/** True if the master of a source is found by Sentinels. */
function isSentinelSource(source: RedisSource): boolean {
  const options = "connection" in source ? source.connection : (source.client as Redis).options;
  return (options as Partial<Redis["options"]> | undefined)?.sentinels !== undefined;
}

/** The address that a client is connected to, as the system knows it. */
export function peerOf(client: Client): string | undefined {
  const { stream } = client as unknown as Partial<Redis>;
  return stream === undefined ? undefined : `${stream.remoteAddress}:${stream.remotePort}`;
}

/** The address, or addresses, of a source, for people. */
export function describe(source: RedisSource): string {
  const options = "connection" in source ? source.connection : (source.client as Redis).options;
  const { host = "127.0.0.1", port = 6379, path, sentinels } = options as Partial<Redis["options"]>;
  const { startupNodes } = ("client" in source ? source.client : {}) as Partial<Nodes>;
  const several = sentinels ?? startupNodes?.filter((node) => typeof node === "object");
  if (several === undefined) return path ?? `${host}:${port}`;
  return several.map(({ host, port }) => `${host}:${port}`).join(", ");
}

/** The key prefix of a client, which would put other keys on the wire than Python's. */
export function keyPrefixOf(source: RedisSource): unknown {
  if ("connection" in source) return source.connection["keyPrefix"];
  const { options } = source.client as Redis | Cluster;
  return (options as { keyPrefix?: unknown }).keyPrefix ??
    (options as { redisOptions?: { keyPrefix?: unknown } }).redisOptions?.keyPrefix;
}

function isCluster(client: Redis | Cluster): client is Cluster {
  return client.isCluster;
}

/** The key that was looked up last on each cluster: mostly the next one is the same. */
const lookedUp: WeakMap<Cluster, { readonly key: string; readonly slot: number }> =
  /* @__PURE__ */ new WeakMap();

async function slotOf(cluster: Cluster, key: string): Promise<number> {
  const last = lookedUp.get(cluster);
  if (last?.key === key) return last.slot;
  const slot = await cluster.cluster("KEYSLOT", key);
  lookedUp.set(cluster, { key, slot });
  return slot;
}

async function nodeOf(cluster: Cluster, key: string): Promise<Redis> {
  const slot = await slotOf(cluster, key);
  const known = knownNodeOf(cluster, slot);
  if (known !== undefined) return known;
  await cluster.exists(key); // the answer tells the client where keys have gone
  const node = knownNodeOf(cluster, slot);
  if (node !== undefined) return node;
  throw new Error(`Cannot find the node of slot ${slot}: the cluster is not complete`);
}

function knownNodeOf(cluster: Cluster, slot: number): Redis | undefined {
  const address = (cluster as unknown as { slots: string[][] }).slots[slot]?.[0];
  return cluster.nodes("all").find(({ options }) => `${options.host}:${options.port}` === address);
}

/** Opens a client of one server. */
export async function newClient(options: object): Promise<Client> {
  let ioredis: { Redis: unknown };
  try {
    ioredis = exportsOf(await import("ioredis"), "Redis");
  } catch (error) {
    throw missingPackage("use Redis", "ioredis", error);
  }
  const Redis = ioredis.Redis as new (options: object) => Redis;
  return connect(new Redis(options));
}
