import { RedisBroker, type RedisBrokerOptions } from "@dq/dramatiq";
import { type RedisOptions, type RedisServer, startOwnRedis } from "../../support/servers/redis.ts";
import type { RedisReply } from "../../support/servers/resp.ts";
import { eventually } from "../../support/servers/until.ts";
import type { FakeClock } from "../../support/fake_clock.ts";
import { after, test } from "../../support/test.ts";
import { testOwn } from "../../servers/own.ts";

export { eventually };

/** Lets a second pass, in which a broker that has consumers beats once, and waits for the answer. */
export async function beat(broker: RedisBroker, clock: FakeClock): Promise<void> {
  await clock.advance(1_000);
  await broker.getQueueMessageCounts("any"); // Answers come in the order of the questions.
}

/** Waits until a server tells of changes: one connection has it on, and one listens. */
export function untilTracking(server: RedisServer): Promise<void> {
  return eventually("be told of changes", async () => {
    const list = String(await server.command("CLIENT", "LIST"));
    return / flags=\w*t\w* /.test(list) && / sub=1 /.test(list);
  });
}

/** A Redis of their own for the tests of a file, and what declares them. */
export interface FileServer {
  /** Skips where no server can be started. */
  readonly test: typeof test;
  /** Runs until the tests of the file are through. There is none where they are skipped. */
  readonly server: RedisServer;
}

/**
 * Starts a Redis that the tests of one file may do anything to.
 *
 * @param options How to run it.
 * @param declare What declares them: `testLong` where they run on one runtime only.
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

/** Fixture of one test on a server: in a namespace of its own, with brokers that get closed. */
export class Fixture implements AsyncDisposable {
  /** Prefix of all keys. */
  readonly namespace: string;
  readonly #server: RedisServer;
  readonly #opened: AsyncDisposable[] = [];

  /**
   * @param server Where it runs.
   * @param namespace What all keys begin with; new by default.
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

  /** Closes something at the end, before what came earlier. */
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

  /** The key of what a broker has not acknowledged of a queue. */
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

  /** When a broker was last heard of, in milliseconds; `undefined` if it is not known. */
  async heartbeat(brokerId: string): Promise<number | undefined> {
    const score = await this.command("ZSCORE", this.key("__heartbeats__"), brokerId);
    return score === null ? undefined : Number(score);
  }

  /**
   * Keys left in the namespace, but for the lock of the worker that runs the recovery, which goes by
   * itself, and what is kept for inspection.
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
