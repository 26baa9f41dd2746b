import type { Cluster, Redis } from "ioredis";

/** Connector of a client whose master is found by Sentinels: it opens clients of these. */
interface SentinelConnector {
  connectToSentinel?(...args: unknown[]): Redis;
}

/** Sockets that have an error listener of this module. */
const listened: WeakSet<object> = /* @__PURE__ */ new WeakSet();

/**
 * Prepares a client of ioredis, and the clients that it opens itself, for use in a library: a socket
 * error must not end the process, and nothing may be printed.
 *
 * - ioredis listens for one error of each socket. Deno reports a second one if the server closes a TLS
 *   connection while it is written to, for example because it requires a certificate.
 * - ioredis sends `INFO` first, and prints a warning if the user has no permission for it.
 *
 * @param client A client that has not connected yet.
 * @returns The client.
 */
export function prepare<T extends Redis | Cluster>(client: T): T {
  if (client.isCluster) {
    (client as Cluster).on("+node", (node: Redis) => {
      prepareOne(node);
      // The cluster reads the slots through copies of its nodes.
      const duplicate = node.duplicate.bind(node);
      node.duplicate = (options) => prepareOne(duplicate(options));
    });
    return client;
  }
  const { connector } = client as unknown as { connector: SentinelConnector };
  const connect = connector.connectToSentinel?.bind(connector);
  if (connect !== undefined) connector.connectToSentinel = (...args) => listen(connect(...args));
  prepareOne(client as Redis);
  return client;
}

function prepareOne(client: Redis): Redis {
  const info = client.info.bind(client) as (listener: InfoListener) => Promise<string>;
  client.info = ((listener: InfoListener) =>
    info((error, text) => {
      if (error?.message.includes("NOPERM")) listener(null, "");
      else listener(error, text);
    })) as Redis["info"];
  return listen(client);
}

/** Callback of `INFO`. */
type InfoListener = (error: Error | null | undefined, text?: string) => void;

function listen(client: Redis): Redis {
  const ignoreErrors = () => {
    const { stream } = client;
    if (stream === undefined || listened.has(stream)) return;
    listened.add(stream);
    stream.on("error", () => {}); // the client reports the first error
  };
  client.on("connect", ignoreErrors);
  client.on("error", ignoreErrors);
  return client;
}
