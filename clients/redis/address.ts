import { assertWholeUrl, decodeUrlPart, redactUrl } from "../redact.ts";
import {
  keyPrefixOf,
  type RedisClient,
  type RedisConnectionOptions,
  type RedisSource,
} from "./client.ts";
import { clusterSlotTag } from "./slot_tag.ts";

const DEFAULT_URL = "redis://127.0.0.1:6379";

/** Address of Redis: at most one of these; without any, 127.0.0.1:6379. */
export interface RedisAddress {
  /**
   * `redis://user:password@host:port/database`, or `rediss://…` for TLS. All parts but the scheme are
   * optional.
   *
   * @default {"redis://127.0.0.1:6379"}
   */
  url?: string | URL;
  /**
   * A client of ioredis, whose servers are used: a `Redis`, also for Sentinel, or a `Cluster`. The client
   * itself is only copied, and not closed: this library sets the options for reconnects and retries.
   */
  client?: RedisClient;
  /** Options for ioredis's `Redis`: `host`, `port`, `tls`, `sentinels` and `name`, … */
  connection?: RedisConnectionOptions;
}

/**
 * Checks an address.
 *
 * @param address The user's options.
 * @param namespace Prefix of all keys.
 * @throws {TypeError} If the address is not valid, or the namespace has no hash tag for a cluster.
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
 * Parses the URL of a Redis.
 *
 * @param url The URL.
 * @returns Options for ioredis.
 * @throws {TypeError} If it is not valid.
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
