import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Watchdog } from "../redis/watchdog.ts";
import { ConnectionClosed, ConnectionFailed } from "../../core/errors.ts";
import { getLogger } from "../../platform/logging.ts";
import { exportsOf, missingPackage } from "../../platform/missing_package.ts";
import { Outage } from "../../platform/outage.ts";
import { redactError, secretsOf } from "../redact.ts";
import { isClosedByTls } from "../tls_advice.ts";
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

/** The part of memjs that this library uses: it writes frames and parses replies. */
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

/** One socket of memjs. Its client can neither set flags nor read many keys at once. */
interface MemjsServer {
  username: string | undefined;
  password: string | undefined;
  /** Set by the first `write`. */
  readonly _socket?: Socket;
  onResponse(opaque: number, listener: Listener): void;
  onError(opaque: number, listener: (error: unknown) => void): void;
  /** Fails all pending requests and destroys the socket. */
  error(error: Error): void;
  write(data: Buffer): void;
}

/** Receives one reply, or, if it is quiet, all replies up to one without a body. */
interface Listener {
  (reply: MemcachedReply): void;
  quiet?: boolean;
}

/** A request that waits for its replies. */
interface PendingRequest {
  /** Receives each reply. @returns True for the last one. */
  onReply(reply: MemcachedReply): boolean;
  fail(error: Error): void;
  readonly isQuiet: boolean;
}

/** Seconds. Longer than needed: the watchdog times out instead, which allows for a blocked event loop. */
const NO_TIMEOUT = { timeout: 86_400, conntimeout: 86_400 };
/** Maximum of requests in one write. */
const MAX_BATCH = 1_000;

/**
 * The connection to one memcached server: opened on first use, and reopened by the next request after a
 * loss. Requests are sent at once; replies arrive in their order.
 *
 * Each socket gets a new `Server` of memjs: one that has lost its socket fails only some of the pending
 * requests, and may confuse the next socket with the lost one.
 */
export class MemcachedSocket {
  readonly #address: MemcachedAddress;
  #server: MemjsServer | undefined;
  #isUp = false;
  #wasUp = false;
  #isClosed = false;
  /** Id by which memjs matches responses. */
  #opaque = 0;
  readonly #outage: Outage;
  readonly #watchdog: Watchdog = new Watchdog(
    () => this.#server?.error(new Error("the server does not answer")),
    { isUnref: true },
  );

  constructor(address: MemcachedAddress) {
    this.#address = address;
    this.#outage = new Outage(log, `memcached at ${this.#name}`, this.#name);
  }

  /**
   * Sends a request.
   *
   * @returns The reply, also one with the status of an error.
   * @throws {ConnectionFailed} If the server cannot be reached, or memjs is not installed.
   * @throws {ConnectionClosed} If the connection was lost, or is closed.
   */
  async request(request: MemcachedRequest): Promise<MemcachedReply> {
    const memjs = await loadMemjs();
    return await new Promise((resolve, fail) => {
      const opaque = this.#nextOpaque();
      this.#send(memjs, opaque, [toFrame(memjs, request, opaque)], {
        isQuiet: false,
        fail,
        onReply(reply) {
          resolve(reply);
          return true;
        },
      });
    });
  }

  /**
   * Reads many keys, in batches.
   *
   * @param keys The keys.
   * @returns The replies for keys that exist.
   * @throws The same as {@linkcode MemcachedSocket.request}.
   */
  async getMany(keys: readonly string[]): Promise<MemcachedReply[]> {
    const memjs = await loadMemjs();
    const batches: Promise<MemcachedReply[]>[] = [];
    for (let i = 0; i < keys.length; i += MAX_BATCH) {
      batches.push(this.#getBatch(memjs, keys.slice(i, i + MAX_BATCH)));
    }
    return (await Promise.all(batches)).flat();
  }

  /** Closes the connection. Pending requests fail. */
  close(): void {
    this.#isClosed = true;
    this.#watchdog.stop();
    this.#server?.error(new Error("the connection was closed"));
  }

  /** Sends quiet requests, which get a reply only if the key exists, and a `noop`, whose reply is last. */
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
        onReply(reply) {
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
      if (call.onReply(reply)) this.#watchdog.replied();
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
    // Without credentials, memjs reads those of another service from the environment, for which it may
    // have no permission.
    const server = new Server(host, port, username || "-", password || "-", { ...NO_TIMEOUT });
    server.username = username;
    server.password = password;
    this.#isUp = false;
    return server;
  }

  /** memjs does not fail pending requests when the server closes the connection. */
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
    this.#wasUp = true;
    this.#outage.back(this);
  }

  #noteLost(server: MemjsServer, error: unknown): void {
    if (this.#server === server) this.#server = undefined;
    if (!this.#isClosed) this.#outage.lost(this, error, this.#advice(error));
  }

  #explain(cause: unknown): Error {
    if (this.#isClosed) {
      return new ConnectionClosed(
        `Cannot ask memcached at ${this.#name}: the connection is closed`,
        { cause },
      );
    }
    const text =
      `Cannot ask memcached at ${this.#name}: it is unavailable: ${errorMessage(cause)}` +
      this.#advice(cause);
    return this.#isUp
      ? new ConnectionClosed(text, { cause })
      : new ConnectionFailed(text, { cause });
  }

  /** Advice for the error of an address that was never up. memjs has no TLS. */
  #advice(error: unknown): string {
    return !this.#wasUp && isClosedByTls(error)
      ? "; if the server speaks TLS on this port, use one without TLS, or a TLS tunnel"
      : "";
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
    memjs = undefined; // try again with the next request: it may have been installed
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
