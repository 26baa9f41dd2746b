import { assertWholeUrl, decodeUrlPart, redactUrl } from "../redact.ts";
import {
  keyPrefixOf,
  type RedisClient,
  type RedisConnectionOptions,
  type RedisSource,
} from "./client.ts";
import { clusterSlotTag } from "./slot_tag.ts";

const DEFAULT_URL = "redis://127.0.0.1:6379";

/** Address of Redis: give one of the three, or none for 127.0.0.1:6379. */
export interface RedisAddress {
  /**
   * `redis://user:password@host:port/database`, or `rediss://…` for TLS. All but the scheme
   * may be left out.
   *
   * @default {"redis://127.0.0.1:6379"}
   */
  url?: string | URL;
  /**
   * A client of ioredis whose servers are to be used: a `Redis`, for Sentinel too, or a
   * `Cluster`. It is copied, not used, and not closed: what becomes of commands when
   * a connection fails is not left to its options.
   */
  client?: RedisClient;
  /** Options for ioredis's `Redis`: `host`, `port`, `tls`, `sentinels` and `name`, … */
  connection?: RedisConnectionOptions;
}

/**
 * Finds out where the servers are.
 *
 * @param address What the user gave.
 * @param namespace What all keys begin with.
 * @throws {TypeError} If that cannot be used.
 */
export function toSource(address: RedisAddress, namespace: string): RedisSource {
  const { url, client, connection } = address;
  const given = Object.entries({ url, client, connection }).filter(([, value]) =>
    value !== undefined
  )
    .map(([name]) => name);
  if (given.length > 1) {
    throw new TypeError(`Cannot connect to Redis by ${given.join(" and ")}: give one of them`);
  }
  if (connection !== undefined && (typeof connection !== "object" || connection === null)) {
    throw new TypeError(
      `Cannot connect to Redis by ${
        redactUrl(connection)
      }: connection must be an object; a URL is ` +
        "the option url",
    );
  }
  const host = connection?.["host"];
  if (typeof host === "string" && /[@/]/.test(host)) {
    throw new TypeError(
      `Cannot connect to Redis at host "${
        redactUrl(host)
      }": it must be a name or an address; a URL ` +
        "is the option url",
    );
  }
  const source = client !== undefined
    ? { client: checkClient(client, namespace) }
    : { connection: connection ?? parseUrl(url ?? DEFAULT_URL), isDefault: given.length === 0 };
  const prefix = keyPrefixOf(source);
  if (prefix) {
    throw new TypeError(
      `Cannot use the keyPrefix "${prefix}" of the client: peers would not find the keys; use the ` +
        "option namespace",
    );
  }
  return source;
}

function checkClient(client: RedisClient, namespace: string): RedisClient {
  if (typeof client?.duplicate !== "function") {
    throw new TypeError("Cannot use the client: it must be a Redis or a Cluster of ioredis");
  }
  const { isCluster } = client as { isCluster?: boolean };
  if (isCluster && clusterSlotTag(namespace) === undefined) {
    throw new TypeError(
      `Cannot use namespace "${namespace}" on a cluster: write it as "{${namespace}}", so that all ` +
        "keys lie on one node",
    );
  }
  return client;
}

/**
 * Reads the address of a Redis.
 *
 * @param url The address.
 * @returns Options for ioredis.
 * @throws {TypeError} If it is not one.
 */
export function parseUrl(url: string | URL): RedisConnectionOptions {
  const parsed = URL.parse(url);
  const isTls = parsed?.protocol === "rediss:";
  if (parsed === null || (parsed.protocol !== "redis:" && !isTls)) {
    throw new TypeError(
      `Cannot connect to "${
        redactUrl(url)
      }": it must be a URL like redis://host:6379/0 or rediss://…`,
    );
  }
  assertWholeUrl(parsed, url);
  const database = parsed.pathname.replace(/^\//, "");
  if (!/^\d{0,5}$/.test(database)) {
    throw new TypeError(
      `Cannot connect to "${redactUrl(url)}": "${database}" must be the number of a database`,
    );
  }
  const [strange] = parsed.searchParams.keys();
  if (strange !== undefined) {
    throw new TypeError(
      `Cannot connect to "${redactUrl(url)}": it has no parameter "${strange}"; use the options`,
    );
  }
  return {
    host: parsed.hostname.replace(/^\[(.*)\]$/, "$1") || "127.0.0.1",
    port: Number(parsed.port || 6379),
    db: Number(database),
    ...(parsed.username && { username: decodeUrlPart(parsed.username, url) }),
    ...(parsed.password && { password: decodeUrlPart(parsed.password, url) }),
    ...(isTls && { tls: {} }),
  };
}
