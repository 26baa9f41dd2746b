import type { Redis } from "ioredis";
import { retryDelay } from "../../platform/retry_delay.ts";
import { type Client, newClient, type RedisSource } from "./client.ts";

/** On which Sentinel tells that it has named another master. Source: "Sentinel" in its manual. */
const CHANNEL = "+switch-master";
/**
 * Milliseconds for which a master is not connected to again after one Sentinel has named another:
 * the others hear of it within a second.
 */
const REPLACED_FOR = 3_000;
/** Number of Sentinels that are listened to at most, as in ioredis. */
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

/** The Sentinels of a source, and how to connect to them; `undefined` if there are none. */
export function sentinelOptionsOf(source: RedisSource): SentinelOptions | undefined {
  const options = "connection" in source ? source.connection : (source.client as Redis).options;
  return (options as SentinelOptions | undefined)?.sentinels === undefined ? undefined : options;
}

/**
 * Notifies when Sentinels have named another master: in a failover that was requested the old one
 * goes on confirming writes for seconds, and forgets them when it becomes a replica.
 *
 * ioredis has the same (`failoverDetector`), but lets what is under way end on the old master, and
 * connects to that again when the next Sentinel does not know yet.
 */
export class SentinelWatch {
  readonly #options: SentinelOptions;
  readonly #leave: () => void;
  readonly #clients: Client[] = [];
  #state: "new" | "watching" | "stopped" = "new";
  /** The server that was connected to last. */
  #peer: string | undefined;
  /** The master that the Sentinels named last. */
  #newMaster: string | undefined;
  /** The one that it replaced, and until when that is not connected to, by `performance.now()`. */
  #replaced: { readonly peer: string; readonly until: number } | undefined;

  /**
   * Stores where the Sentinels are.
   *
   * @param options Where they are, and how to connect to them.
   * @param leave Called when the server that is connected to is not the master any more.
   */
  constructor(options: SentinelOptions, leave: () => void) {
    this.#options = options;
    this.#leave = leave;
  }

  /**
   * Takes note of the server that is connected to.
   *
   * @param peer Its address, as the system knows it.
   * @returns Whether it was replaced just now: a Sentinel that has not heard of it has named it.
   */
  isReplaced(peer: string | undefined): boolean {
    this.#peer = peer;
    const replaced = this.#replaced;
    return replaced !== undefined && peer === replaced.peer && performance.now() < replaced.until;
  }

  /** Connects to them, once. Those that are down are connected to when they are back. */
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
    client.on("error", () => {}); // the connection to the master says what matters
    client.on("ready", () => void client.callBuffer("subscribe", CHANNEL).catch(() => {}));
    client.on("messageBuffer", (_channel, message) => {
      const text = new TextDecoder().decode(message as unknown as Uint8Array);
      const [name, _oldHost, _oldPort, host, port] = text.split(" ");
      if (name === this.#options.name && !this.#isStopped()) this.#switched(`${host}:${port}`);
    });
  }

  /** Each Sentinel tells of a new master, the last one when the failover is over. */
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
      lazyConnect: true, // it is made ready first
      enableReadyCheck: false,
      autoResubscribe: false,
      maxRetriesPerRequest: 0,
      connectTimeout: 2_000,
      retryStrategy: retryDelay,
    };
  }
}
