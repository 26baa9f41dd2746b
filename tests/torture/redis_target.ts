import type { ServerAddress } from "../support/servers/exchange.ts";
import { type RedisServer, startOwnRedis } from "../support/servers/redis.ts";
import { findLeftovers } from "./redis_leftovers.ts";
import { type BrokerArguments, isWorker, type Program, type Target } from "./target.ts";

/** Options of a {@linkcode RedisTarget}. */
export interface RedisTargetOptions {
  /** True if Redis writes to disk before it answers. If not, messages are lost. */
  readonly appendonly: boolean;
  /** Milliseconds after which a silent worker loses what it had. */
  readonly heartbeatTimeout: number;
}

/** A Redis that is killed without warning. */
export class RedisTarget implements Target {
  readonly name = "Redis";
  readonly restart = "killed and restarted";
  readonly #server: RedisServer;
  readonly #heartbeatTimeout: number;

  private constructor(server: RedisServer, heartbeatTimeout: number) {
    this.#server = server;
    this.#heartbeatTimeout = heartbeatTimeout;
  }

  /** Starts it. */
  static async open({ appendonly, heartbeatTimeout }: RedisTargetOptions): Promise<RedisTarget> {
    return new RedisTarget(await startOwnRedis({ appendonly }), heartbeatTimeout);
  }

  get host(): string {
    return this.#server.host;
  }

  get port(): number {
    return this.#server.port;
  }

  get folder(): string {
    return this.#server.folder;
  }

  brokerFor(program: Program, { host, port }: ServerAddress): BrokerArguments {
    const heartbeatTimeout = this.#heartbeatTimeout;
    const lease = isWorker(program) ? { heartbeatTimeout } : {};
    return { kind: "redis", options: { url: `redis://${host}:${port}`, ...lease } };
  }

  takeDown(): Promise<void> {
    return this.#server.kill();
  }

  bringBack(): Promise<void> {
    return this.#server.restart();
  }

  findLeftovers(): Promise<string[]> {
    return findLeftovers(this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop();
  }
}
