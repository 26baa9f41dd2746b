import type { Redis } from "ioredis";
import { retryDelay } from "../../platform/retry_delay.ts";
import {
  type Client,
  newClient,
  type RedisSource,
  unrefReconnects,
  unrefWhenReady,
} from "./client.ts";

/** Channel on which a Sentinel announces a new master. Source: "Sentinel" in the Redis manual. */
const CHANNEL = "+switch-master";
/**
 * Milliseconds for which connections to a replaced master are refused: within a second, all Sentinels
 * know the new one.
 */
const REPLACED_FOR = 3_000;
/** Maximum of Sentinels to listen to, as in ioredis. */
const MAX_CONNECTIONS = 10;

type SentinelOptions = Pick<
  Redis["options"],
  | "sentinels"
  | "name"
  | "family"
  | "sentinelUsername"
  | "sentinelPassword"
  | "sentinelTLS"
  | "connectTimeout"
>;

/** Options for the Sentinels of a source; `undefined` if it has none. */
export function sentinelOptionsOf(source: RedisSource): SentinelOptions | undefined {
  const options = "connection" in source ? source.connection : (source.client as Redis).options;
  return (options as SentinelOptions | undefined)?.sentinels === undefined ? undefined : options;
}

/**
 * Notifies when Sentinels announce a new master: in a requested failover, the old master confirms writes
 * for some seconds more, and loses them when it becomes a replica.
 *
 * The `failoverDetector` of ioredis does the same, but lets pending commands end on the old master, and
 * connects to that again if the next Sentinel does not know the new one yet.
 */
export class SentinelWatch {
  readonly #options: SentinelOptions;
  readonly #leave: () => void;
  readonly #isUnref: boolean;
  readonly #clients: Client[] = [];
  #state: "new" | "watching" | "stopped" = "new";
  /** Address of the server of the last connection. */
  #peer: string | undefined;
  /** Master that the Sentinels announced last. */
  #newMaster: string | undefined;
  /** The replaced master, and until when connections to it are refused, by `performance.now()`. */
  #replaced: { readonly peer: string; readonly until: number } | undefined;

  /**
   * Stores the options; `start` connects.
   *
   * @param options Addresses and credentials of the Sentinels.
   * @param leave Called when the connected server is no longer the master.
   * @param isUnref True if it lets the process end.
   */
  constructor(options: SentinelOptions, leave: () => void, isUnref = false) {
    this.#options = options;
    this.#leave = leave;
    this.#isUnref = isUnref;
  }

  /**
   * Notes the connected server.
   *
   * @param peer Its address, as reported by the socket.
   * @returns True if that master was replaced just now, and a Sentinel still named it.
   */
  isReplaced(peer: string | undefined): boolean {
    this.#peer = peer;
    const replaced = this.#replaced;
    return replaced !== undefined && peer === replaced.peer && performance.now() < replaced.until;
  }

  /** Connects to the Sentinels, once. Clients reconnect to those that are down. */
  async start(): Promise<void> {
    if (this.#state !== "new") return;
    this.#state = "watching";
    for (const address of (this.#options.sentinels ?? []).slice(0, MAX_CONNECTIONS)) {
      const client = await newClient(this.#clientOptions(address));
      if (this.#isStopped()) return client.disconnect();
      this.#clients.push(client);
      this.#listen(client);
    }
  }

  /** Closes the connections. */
  stop(): void {
    this.#state = "stopped";
    for (const client of this.#clients.splice(0)) client.disconnect();
  }

  #isStopped(): boolean {
    return this.#state === "stopped";
  }

  #listen(client: Client): void {
    client.on("error", () => {}); // the connection to the master reports outages
    if (this.#isUnref) {
      unrefWhenReady(client);
      unrefReconnects(client);
    }
    client.on("ready", () => void client.callBuffer("subscribe", CHANNEL).catch(() => {}));
    client.on("messageBuffer", (_channel, message) => {
      const text = new TextDecoder().decode(message as unknown as Uint8Array);
      const [name, _oldHost, _oldPort, host, port] = text.split(" ");
      if (name === this.#options.name && !this.#isStopped()) this.#switched(`${host}:${port}`);
    });
  }

  /** Handles an announcement. Each Sentinel makes one, and the last may come after the failover. */
  #switched(newMaster: string): void {
    const peer = this.#peer;
    const isDone = newMaster === this.#newMaster && peer !== this.#replaced?.peer;
    if (peer === undefined || peer === newMaster || isDone) return;
    this.#newMaster = newMaster;
    this.#replaced = { peer, until: performance.now() + REPLACED_FOR };
    this.#leave();
  }

  #clientOptions({ host = "127.0.0.1", port = 26_379 }: { host?: string; port?: number }): object {
    const { family, sentinelUsername, sentinelPassword, sentinelTLS } = this.#options;
    return {
      host,
      port,
      family,
      username: sentinelUsername,
      password: sentinelPassword,
      ...(sentinelTLS && { tls: sentinelTLS }),
      protocol: 2,
      lazyConnect: true, // `prepare` comes first
      enableReadyCheck: false,
      autoResubscribe: false,
      maxRetriesPerRequest: 0,
      connectTimeout: 2_000,
      retryStrategy: retryDelay,
    };
  }
}
