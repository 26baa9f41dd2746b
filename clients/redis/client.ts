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
  /** Creates another client of the same servers. */
  // deno-lint-ignore no-explicit-any -- that of `Redis` and that of `Cluster` have nothing in common
  duplicate(...args: any[]): unknown;
}

/** The members of an ioredis client that this library uses. */
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
 * Timeout of an attempt to connect, in milliseconds: shorter than that of a command, so that a command
 * still succeeds if the server recovers between two attempts.
 */
export const CONNECT_TIMEOUT = 2_000;
/** Milliseconds to wait for a Sentinel before the next one is tried. */
const SENTINEL_TIMEOUT = 1_000;
/** Milliseconds to wait for the slots from a node of a cluster before the next one is tried. */
const SLOTS_TIMEOUT = 1_000;

/** Minimum of milliseconds between two reconnects to find the master again. */
const MASTER_CHECK_INTERVAL = 1_000;

/**
 * Options with which commands fail together with their connection. By default ioredis sends them again,
 * which would hide a fetch whose reply was lost, or enqueue a message twice.
 */
const WITHOUT_RESENDING = {
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  enableOfflineQueue: true,
  maxRetriesPerRequest: 0,
  connectTimeout: CONNECT_TIMEOUT,
  sentinelCommandTimeout: SENTINEL_TIMEOUT,
  // Maximum delay before the next check of a server that is loading its data.
  maxLoadingRetryTime: 250,
  lazyConnect: true, // `prepare` comes first
  // After a failover, the address may be that of a replica: reconnecting finds the master.
  reconnectOnError: (error: Error): boolean => isReadOnly(error),
} satisfies RedisOptions;

/**
 * Timeout of an attempt until commands can be sent, in milliseconds: connect, TLS, hello and
 * authentication; before that, all Sentinels or nodes of a cluster may time out.
 */
export function attemptTimeout(source: RedisSource): number {
  const options = "connection" in source ? source.connection : (source.client as Redis).options;
  const { sentinels } = options as Partial<Redis["options"]>;
  const { startupNodes } = ("client" in source ? source.client : {}) as Partial<Nodes>;
  return CONNECT_TIMEOUT + SENTINEL_TIMEOUT * (sentinels?.length ?? 0) +
    SLOTS_TIMEOUT * (startupNodes?.length ?? 0);
}

/** Opens a client for commands, which reconnects. */
export async function openClient(source: RedisSource): Promise<Client> {
  const options = {
    ...WITHOUT_RESENDING,
    retryStrategy: retryDelay,
    enableOfflineQueue: false,
  };
  if (isSentinelSource(source)) options.reconnectOnError = suspectsMaster();
  if ("connection" in source) return await newClient({ ...source.connection, ...options });
  const client = source.client as Redis | Cluster;
  if (!isCluster(client)) return connect(client.duplicate(options));
  const redisOptions: object = {
    ...client.options.redisOptions,
    ...WITHOUT_RESENDING,
    lazyConnect: false,
    socketTimeout: ANSWER_TIMEOUT,
  };
  return connect(client.duplicate([], {
    redisOptions,
    clusterRetryStrategy: retryDelay,
    slotsRefreshTimeout: SLOTS_TIMEOUT,
    lazyConnect: true,
    enableOfflineQueue: false,
    // No retries by the client: a command that was cut off may have run, and `RetryPolicy` limits the
    // time of retries.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
  }));
}

/** Starts to connect. */
function connect(client: Redis | Cluster): Client {
  prepare(client).connect().catch(() => {}); // errors are also emitted as events
  return client as unknown as Client;
}

/**
 * Returns a test for errors of a master that has been replaced: it has become a replica, or has lost its
 * replicas to the new master. In the second case it may still be the master, so that the test is true
 * once a second at most.
 */
function suspectsMaster(): (error: Error) => boolean {
  let checkedAt = -Infinity;
  return (error) => {
    if (isReadOnly(error)) return true;
    if (!isShortOfReplicas(error) || performance.now() - checkedAt < MASTER_CHECK_INTERVAL) {
      return false;
    }
    checkedAt = performance.now();
    return true;
  };
}

/**
 * Opens a client for notifications, which ends with its connection, to the server that holds a key. It
 * speaks RESP2, since ioredis has no event for RESP3 push messages.
 *
 * @param source Address of the servers.
 * @param own The client for commands, which knows the nodes of a cluster.
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
    ...WITHOUT_RESENDING,
    protocol: 2,
    reconnectOnError: null,
    retryStrategy: null,
  };
  if ("connection" in source) return await newClient({ ...source.connection, ...options });
  const server = await serverOf(own, key) as unknown as Redis;
  return connect(server.duplicate(options));
}

/** @returns The client of the server that holds a key. */
export async function serverOf(client: Client, key: string): Promise<Client> {
  const either = client as unknown as Redis | Cluster;
  return isCluster(either) ? await nodeOf(either, key) as unknown as Client : client;
}

/**
 * Destroys the sockets of a client, which may be half-open.
 *
 * @returns False if there are none: a Sentinel or a cluster is being asked for the address.
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
 * Lets the process end while a client is connected and idle. Pending commands keep it running by the
 * timer of their watchdog, and attempts to connect by their own.
 */
export function unrefWhenReady(client: Client): void {
  forEachNode(client as unknown as Redis | Cluster, (node) => {
    const unref = () => (node.stream as { unref?(): void } | undefined)?.unref?.();
    if (node.status === "ready") unref();
    node.on("ready", unref);
  });
}

/** Lets the process end while a client waits to connect again. */
export function unrefReconnects(client: Client): void {
  const redis = client as unknown as Redis;
  redis.on("reconnecting", () => {
    // The listener is called after the timer was set.
    const { reconnectTimeout } = redis as unknown as {
      reconnectTimeout?: { unref?(): void } | null;
    };
    reconnectTimeout?.unref?.();
  });
}

/** Calls back whenever a ready connection to a node of a cluster is lost. */
export function onSevered(client: Client, severed: () => void): void {
  const cluster = client as unknown as Redis | Cluster;
  if (!isCluster(cluster)) return;
  forEachNode(cluster, (node) => {
    // Added after the client's own listener, and called before failed commands reject.
    const listen = () => node.stream.once("close", severed);
    if (node.status === "ready") listen();
    node.on("ready", listen);
  });
}

/** Calls back with each node of a cluster, now and later, or with the only server. */
function forEachNode(client: Redis | Cluster, watch: (node: Redis) => void): void {
  if (!isCluster(client)) return watch(client);
  for (const node of client.nodes("all")) watch(node);
  client.on("+node", watch);
}

/** True if a source is a cluster. */
export function isClusterSource(source: RedisSource): boolean {
  return "client" in source && isCluster(source.client as Redis | Cluster);
}

/** Options of a source, which contain passwords. */
export function optionsOf(source: RedisSource): unknown {
  if ("connection" in source) return source.connection;
  const { options, startupNodes } = source.client as unknown as Redis & Nodes;
  return { options, startupNodes };
}

/** True if the master of a source is found by Sentinels. */
export function isSentinelSource(source: RedisSource): boolean {
  const options = "connection" in source ? source.connection : (source.client as Redis).options;
  return (options as Partial<Redis["options"]> | undefined)?.sentinels !== undefined;
}

/** Remote address of a client's socket. */
export function peerOf(client: Client): string | undefined {
  const { stream } = client as unknown as Partial<Redis>;
  return stream === undefined ? undefined : `${stream.remoteAddress}:${stream.remotePort}`;
}

/** The address or addresses of a source, for logs. */
export function describe(source: RedisSource): string {
  const options = "connection" in source ? source.connection : (source.client as Redis).options;
  const { host = "127.0.0.1", port = 6379, path, sentinels } = options as Partial<Redis["options"]>;
  const { startupNodes } = ("client" in source ? source.client : {}) as Partial<Nodes>;
  const several = sentinels ?? startupNodes?.filter((node) => typeof node === "object");
  if (several === undefined) return path ?? `${host}:${port}`;
  return several.map(({ host, port }) => `${host}:${port}`).join(", ");
}

/** The key prefix of a client, with which keys would differ from Python's. */
export function keyPrefixOf(source: RedisSource): unknown {
  if ("connection" in source) return source.connection["keyPrefix"];
  const { options } = source.client as Redis | Cluster;
  return (options as { keyPrefix?: unknown }).keyPrefix ??
    (options as { redisOptions?: { keyPrefix?: unknown } }).redisOptions?.keyPrefix;
}

function isCluster(client: Redis | Cluster): client is Cluster {
  return client.isCluster;
}

/** The last key of each cluster and its slot: successive calls usually have the same key. */
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
