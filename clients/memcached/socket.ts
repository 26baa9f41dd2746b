import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Watchdog } from "../redis/watchdog.ts";
import { ConnectionClosed, ConnectionFailed } from "../../core/errors.ts";
import { getLogger } from "../../platform/logging.ts";
import { exportsOf, missingPackage } from "../../platform/missing_package.ts";
import { Outage } from "../../platform/outage.ts";
import { redactError, secretsOf } from "../redact.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { type MemcachedReply, type MemcachedRequest, OPCODES, VERSION_OFFSET } from "./protocol.ts";

const log = /* @__PURE__ */ getLogger("memcached");

/** Address and credentials of a memcached. */
export interface MemcachedAddress {
  readonly host: string;
  readonly port: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** The part of memjs that is used here: what frames requests and takes answers apart. */
interface Memjs {
  readonly Server: new (
    host: string,
    port: number,
    username: string | undefined,
    password: string | undefined,
    options: { timeout: number; conntimeout: number },
  ) => MemjsServer;
  readonly Utils: {
    makeRequestBuffer(
      opcode: number,
      key: string,
      extras: Buffer | string,
      value: string | Uint8Array,
      opaque: number,
    ): Buffer;
  };
}

/** One socket of memjs. Its client would neither set flags nor read many keys at once. */
interface MemjsServer {
  username: string | undefined;
  password: string | undefined;
  /** There from the first `write` on. */
  readonly _socket?: Socket;
  onResponse(opaque: number, hear: Listener): void;
  onError(opaque: number, hear: (error: unknown) => void): void;
  /** Fails all that is under way and destroys the socket. */
  error(error: Error): void;
  write(data: Buffer): void;
}

/** Hears answers: one, or, if it is quiet, all up to one without a body. */
interface Listener {
  (reply: MemcachedReply): void;
  quiet?: boolean;
}

/** Request that waits for its response. */
interface PendingRequest {
  /** Hears each answer; true says that it was the last one. */
  hear(reply: MemcachedReply): boolean;
  fail(error: Error): void;
  readonly isQuiet: boolean;
}

/** Seconds: memjs is not to give up; the watchdog does, which knows a busy event loop. */
const NO_TIMEOUT = { timeout: 86_400, conntimeout: 86_400 };
/** Number of requests that go in one piece. */
const MAX_BATCH = 1_000;

/**
 * The connection to one memcached: opened when first used, and again with the next request
 * after it was lost. Requests are sent as they come and answered in their order.
 *
 * Each socket has a `Server` of memjs of its own: one that has lost its socket fails only
 * part of what was under way, and can take the next socket for the lost one.
 */
export class MemcachedSocket {
  readonly #address: MemcachedAddress;
  #server: MemjsServer | undefined;
  #isUp = false;
  #isClosed = false;
  /** Id by which memjs matches responses. */
  #opaque = 0;
  readonly #outage: Outage;
  readonly #watchdog: Watchdog = new Watchdog(() => {
    this.#server?.error(new Error("the server does not answer"));
  });

  constructor(address: MemcachedAddress) {
    this.#address = address;
    this.#outage = new Outage(log, `memcached at ${this.#name}`, this.#name);
  }

  /**
   * Asks for one thing.
   *
   * @param request What for.
   * @returns The answer, also one that says no.
   * @throws {ConnectionFailed} If the server cannot be reached, or not asked.
   * @throws {ConnectionClosed} If the connection was lost, or is closed.
   */
  async ask(request: MemcachedRequest): Promise<MemcachedReply> {
    const memjs = await loadMemjs();
    return await new Promise((resolve, fail) => {
      const opaque = this.#nextOpaque();
      this.#send(memjs, opaque, [toFrame(memjs, request, opaque)], {
        isQuiet: false,
        fail,
        hear(reply) {
          resolve(reply);
          return true;
        },
      });
    });
  }

  /**
   * Asks for the values of many keys, in as few pieces as possible.
   *
   * @param keys The keys.
   * @returns The answers for those that are there.
   * @throws The same as {@linkcode MemcachedSocket.ask}.
   */
  async getMany(keys: readonly string[]): Promise<MemcachedReply[]> {
    const memjs = await loadMemjs();
    const batches: Promise<MemcachedReply[]>[] = [];
    for (let i = 0; i < keys.length; i += MAX_BATCH) {
      batches.push(this.#getBatch(memjs, keys.slice(i, i + MAX_BATCH)));
    }
    return (await Promise.all(batches)).flat();
  }

  /** Closes the connection. What is under way fails. */
  close(): void {
    this.#isClosed = true;
    this.#watchdog.stop();
    this.#server?.error(new Error("the connection was closed"));
  }

  /** Quiet requests are answered only where there is something; a last one ends the batch. */
  #getBatch(memjs: Memjs, keys: readonly string[]): Promise<MemcachedReply[]> {
    return new Promise((resolve, fail) => {
      const opaque = this.#nextOpaque();
      const requests = keys.map((key) => ({ opcode: OPCODES.getKeyQuietly, key }));
      const frames = [...requests, { opcode: OPCODES.noop }]
        .map((request) => toFrame(memjs, request, opaque));
      const replies: MemcachedReply[] = [];
      this.#send(memjs, opaque, frames, {
        isQuiet: true,
        fail,
        hear(reply) {
          const isLast = reply.header.opcode === OPCODES.noop;
          if (isLast) resolve(replies);
          else replies.push(reply);
          return isLast;
        },
      });
    });
  }

  #send(memjs: Memjs, opaque: number, frames: readonly Buffer[], call: PendingRequest): void {
    if (this.#isClosed) return call.fail(this.#explain(new Error("it was closed before")));
    const isNew = this.#server === undefined;
    const server = this.#server ??= this.#open(memjs);
    this.#watchdog.sent();
    const listener: Listener = (reply) => {
      this.#noteUp();
      if (call.hear(reply)) this.#watchdog.replied();
    };
    listener.quiet = call.isQuiet;
    server.onResponse(opaque, listener);
    server.onError(opaque, (reported) => {
      const error = redactError(reported, secretsOf(this.#address));
      this.#watchdog.replied();
      this.#noteLost(server, error);
      call.fail(this.#explain(error));
    });
    server.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
    if (isNew) this.#watch(server);
  }

  #open({ Server }: Memjs): MemjsServer {
    const { host, port, username, password } = this.#address;
    // Where none are given, memjs takes those of another service from the environment, which it may
    // not be allowed to read.
    const server = new Server(host, port, username || "-", password || "-", { ...NO_TIMEOUT });
    server.username = username;
    server.password = password;
    this.#isUp = false;
    return server;
  }

  /** memjs says nothing to those who wait for an answer when the server ends the connection. */
  #watch(server: MemjsServer): void {
    server._socket?.unref(); // requests keep the process running, by the watchdog
    server._socket?.once("close", () => {
      if (this.#server !== server) return;
      server.error(new Error("the server closed the connection"));
      this.#server = undefined;
    });
  }

  #noteUp(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.#outage.back(this);
  }

  #noteLost(server: MemjsServer, error: unknown): void {
    if (this.#server === server) this.#server = undefined;
    if (!this.#isClosed) this.#outage.lost(this, error);
  }

  #explain(cause: unknown): Error {
    if (this.#isClosed) {
      return new ConnectionClosed(
        `Cannot ask memcached at ${this.#name}: the connection is closed`,
        { cause },
      );
    }
    const text = `Cannot ask memcached at ${this.#name}: it is unavailable: ${errorMessage(cause)}`;
    return this.#isUp
      ? new ConnectionClosed(text, { cause })
      : new ConnectionFailed(text, { cause });
  }

  get #name(): string {
    return `${this.#address.host}:${this.#address.port}`;
  }

  #nextOpaque(): number {
    this.#opaque = (this.#opaque + 1) >>> 0;
    return this.#opaque;
  }
}

let memjs: Promise<Memjs> | undefined;

function loadMemjs(): Promise<Memjs> {
  memjs ??= importMemjs().catch((error) => {
    memjs = undefined; // it may be installed by the next time
    throw error;
  });
  return memjs;
}

async function importMemjs(): Promise<Memjs> {
  try {
    return exportsOf(await import("memjs") as unknown as Memjs, "Utils");
  } catch (error) {
    throw missingPackage("use memcached", "memjs", error);
  }
}

function toFrame({ Utils }: Memjs, request: MemcachedRequest, opaque: number): Buffer {
  const { opcode, key = "", extras = "", value = "", version } = request;
  const frame = Utils.makeRequestBuffer(opcode, key, extras, value, opaque);
  version?.copy(frame, VERSION_OFFSET);
  return frame;
}
