import process from "node:process";
import { addressOf } from "./exchange.ts";
import { freePort } from "./free_port.ts";
import { ADDRESS_VARIABLES, ensureInstalled } from "./install.ts";
import { type RedisReply, sendCommands } from "./resp.ts";
import { createServerFolder, type ServerPlan, TestServer } from "./test_server.ts";

/** Options for {@linkcode startRedis}. */
export interface RedisOptions {
  /** Port on 127.0.0.1. @default {freePort()} */
  port?: number;
  /** Writes each change to disk before it is answered, so that a kill loses nothing. @default {false} */
  appendonly?: boolean;
  /** Password that clients must give. @default {undefined} Nothing. */
  password?: string;
  /** More arguments for `redis-server`. @default {[]} */
  args?: readonly string[];
  /** Folder of its files; it stays there. @default A temporary folder, removed at the end. */
  dir?: string;
}

/** A Redis for tests and benchmarks. */
export class RedisServer extends TestServer {
  /** For clients: with the password and the database, if there are any. */
  readonly url: string;

  /**
   * @param url Where it listens.
   * @param plan How to run it, or `undefined` for a server that runs already.
   */
  constructor(url: string, plan?: ServerPlan) {
    super(addressOf(url, 6379), plan);
    this.url = url;
  }

  /**
   * Sends one command over a connection of its own.
   *
   * @returns What Redis answered.
   * @throws {Error} If it cannot be reached, or answers with an error.
   */
  async command(...command: (string | number)[]): Promise<RedisReply> {
    const { username, password, pathname } = new URL(this.url);
    const user = username === "" ? [] : [decodeURIComponent(username)];
    const database = pathname.slice(1);
    const replies = await sendCommands(this, [
      ...(password === "" ? [] : [["AUTH", ...user, decodeURIComponent(password)]]),
      ...(database === "" ? [] : [["SELECT", database]]),
      command,
    ]);
    return replies.at(-1)!;
  }

  /** True if it answers, and has read its files. */
  protected override async isReady(): Promise<boolean> {
    return await this.command("PING") === "PONG";
  }
}

/**
 * Starts a Redis, or gives the one that `TEST_REDIS_URL` names, which other tests use
 * too and for which the options do not count.
 *
 * @param options How to run it.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const url = process.env[ADDRESS_VARIABLES["redis-server"]];
  return url ? attachRedis(url) : await startOwnRedis(options);
}

/** A Redis that runs already. */
export function attachRedis(url: string): RedisServer {
  return new RedisServer(url);
}

/** Starts a Redis, even if the environment names one. */
export async function startOwnRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const program = await ensureInstalled("redis-server");
  const { port = await freePort(), password, dir } = options;
  const folder = dir ?? await createServerFolder("redis-server");
  const secret = password === undefined ? "" : `:${encodeURIComponent(password)}@`;
  const server = new RedisServer(`redis://${secret}127.0.0.1:${port}`, {
    program,
    args: argumentsFor({ ...options, port, dir: folder }),
    folder,
    keepsFolder: dir !== undefined,
  });
  await server.restart();
  return server;
}

function argumentsFor({ port, dir, appendonly, password, args = [] }: RedisOptions): string[] {
  return [
    ...["--bind", "127.0.0.1", "--port", `${port}`, "--dir", `${dir}`, "--save", ""],
    ...(appendonly ? ["--appendonly", "yes", "--appendfsync", "always"] : []),
    ...(password === undefined ? [] : ["--requirepass", password, "--masterauth", password]),
    ...args,
  ];
}
