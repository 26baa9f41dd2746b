import { RedisBroker, type RedisBrokerOptions } from "@dq/dramatiq";
import { type RedisOptions, type RedisServer, startOwnRedis } from "../../support/servers/redis.ts";
import type { RedisReply } from "../../support/servers/resp.ts";
import { eventually } from "../../support/servers/until.ts";
import type { FakeClock } from "../../support/fake_clock.ts";
import { after, test } from "../../support/test.ts";
import { testOwn } from "../../servers/own.ts";

export { eventually };

/** Advances the clock by a second, in which a broker sends one heartbeat, and waits for its reply. */
export async function beat(broker: RedisBroker, clock: FakeClock): Promise<void> {
  await clock.advance(1_000);
  await broker.getQueueMessageCounts("any"); // Replies come in the order of the commands.
}

/** Waits until a server notifies of changes: one connection tracks keys, and one is subscribed. */
export function untilTracking(server: RedisServer): Promise<void> {
  return eventually("be told of changes", async () => {
    const list = String(await server.command("CLIENT", "LIST"));
    return / flags=\w*t\w* /.test(list) && / sub=1 /.test(list);
  });
}

/** A Redis for the tests of one file, and a function that declares them. */
export interface FileServer {
  /** Declares a test, skipped if no server can be started. */
  readonly test: typeof test;
  /** The server, which runs until the end of the file's tests; unset if they are skipped. */
  readonly server: RedisServer;
}

/**
 * Starts a Redis for the tests of one file, which may pause or restart it.
 *
 * @param options Options of the server.
 * @param declare Declares a test: `testLong` for tests that run on one runtime only.
 */
export async function startForFile(
  options: RedisOptions = {},
  declare: typeof test = testOwn("redis-server"),
): Promise<FileServer> {
  if (declare !== test) return { test: declare, server: undefined as unknown as RedisServer };
  const server = await startOwnRedis(options);
  after(() => server.stop());
  return { test, server };
}

/** Fixture of one test: a namespace of its own, and brokers that are closed at the end. */
export class Fixture implements AsyncDisposable {
  /** Prefix of all keys. */
  readonly namespace: string;
  readonly #server: RedisServer;
  readonly #opened: AsyncDisposable[] = [];

  /**
   * @param server The server.
   * @param namespace Prefix of all keys. @default A new one.
   */
  constructor(server: RedisServer, namespace = `test-${crypto.randomUUID()}`) {
    this.#server = server;
    this.namespace = namespace;
  }

  /** Makes a broker, which is closed at the end. */
  open(options: RedisBrokerOptions = {}): RedisBroker {
    const { url, client, connection } = options;
    const address = url === undefined && client === undefined && connection === undefined
      ? { url: this.#server.url }
      : {};
    return this.use(new RedisBroker({ ...address, namespace: this.namespace, ...options }));
  }

  /** Disposes of a resource at the end, in reverse order. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.#opened.push(resource);
    return resource;
  }

  /** Sends a command over a connection of its own. */
  command(...command: (string | number)[]): Promise<RedisReply> {
    return this.#server.command(...command);
  }

  /** The name of a key. */
  key(name: string): string {
    return `${this.namespace}:${name}`;
  }

  /** The key of the messages of a queue that are unacknowledged by a broker. */
  unacknowledgedKey(brokerId: string, queueName: string): string {
    return this.key(`__acks__.${brokerId}.${queueName}`);
  }

  /** The ids on a queue, in order. */
  async ids(queueName: string): Promise<string[]> {
    return await this.command("LRANGE", this.key(queueName), 0, -1) as string[];
  }

  /** The first argument of each message on a queue, in order. */
  async firstArgs(queueName: string): Promise<unknown[]> {
    const ids = await this.ids(queueName);
    if (ids.length === 0) return [];
    const texts = await this.command("HMGET", this.key(`${queueName}.msgs`), ...ids);
    return (texts as string[]).map((text) => JSON.parse(text).args[0]);
  }

  /** Number of messages a broker has fetched from a queue and not acknowledged. */
  async held(brokerId: string, queueName: string): Promise<number> {
    return await this.command("SCARD", this.unacknowledgedKey(brokerId, queueName)) as number;
  }

  /** Time of a broker's last heartbeat, in milliseconds; `undefined` if it has none. */
  async heartbeat(brokerId: string): Promise<number | undefined> {
    const score = await this.command("ZSCORE", this.key("__heartbeats__"), brokerId);
    return score === null ? undefined : Number(score);
  }

  /**
   * Keys in the namespace, without the lock of the recovery, which expires, and those that are kept for
   * inspectors.
   */
  async keys(): Promise<string[]> {
    const keys = await this.command("KEYS", "*") as string[];
    const kept = ["__sweep__", "__queues__"].map((name) => this.key(name));
    const minutes = this.key("__minutes__:");
    return keys.filter((key) =>
      key.startsWith(this.key("")) && !kept.includes(key) && !key.startsWith(minutes)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const resource of this.#opened.reverse()) await resource[Symbol.asyncDispose]();
    if (this.#server.isOwn) return;
    const keys = [...await this.keys(), this.key("__queues__")];
    await this.command("DEL", ...keys);
  }
}
