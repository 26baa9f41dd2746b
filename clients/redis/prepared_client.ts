import type { Cluster, Redis } from "ioredis";

/** A client of a Sentinel's master, which opens clients of the Sentinels. */
interface SentinelConnector {
  connectToSentinel?(...args: unknown[]): Redis;
}

/** Sockets with a listener of their own. */
const heard: WeakSet<object> = /* @__PURE__ */ new WeakSet();

/**
 * Makes a client of ioredis, and those that it opens itself, fit for a library: no socket can end
 * the process, and nothing is printed.
 *
 * - ioredis listens for one error of each socket. Deno reports a second one when the server ends
 *   a TLS connection that is written to, as servers do that ask for a certificate.
 * - ioredis asks for `INFO` before all else, and prints a warning when the user may not.
 *
 * @param client A client that has not connected yet.
 * @returns The client.
 */
export function prepare<T extends Redis | Cluster>(client: T): T {
  if (client.isCluster) {
    (client as Cluster).on("+node", (node: Redis) => {
      prepareOne(node);
      // The cluster asks copies of its nodes where keys are.
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
  const info = client.info.bind(client) as (hear: InfoListener) => Promise<string>;
  client.info = ((hear: InfoListener) =>
    info((error, text) => {
      if (error?.message.includes("NOPERM")) hear(null, "");
      else hear(error, text);
    })) as Redis["info"];
  return listen(client);
}

/** Callback of `INFO`. */
type InfoListener = (error: Error | null | undefined, text?: string) => void;

function listen(client: Redis): Redis {
  const hear = () => {
    const { stream } = client;
    if (stream === undefined || heard.has(stream)) return;
    heard.add(stream);
    stream.on("error", () => {}); // the client tells of the first one
  };
  client.on("connect", hear);
  client.on("error", hear);
  return client;
}
