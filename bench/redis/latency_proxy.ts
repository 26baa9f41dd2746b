import type { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { ServerAddress } from "../../tests/support/servers/exchange.ts";
import { freePort } from "../../tests/support/servers/free_port.ts";

/** Milliseconds between two looks at what is due. */
const STEP = 0.1;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Bytes, or the end of them, and when they are to go on. */
interface Batch {
  readonly bytes: Buffer | undefined;
  readonly sink: Socket;
  readonly due: number;
}

/**
 * A TCP proxy that makes each round trip longer, half of it each way.
 *
 * Timers of the runtimes are too coarse for that (one of 1 ms takes 1.2 on Node and 2.3 on
 * Deno), and a loop that never rests takes a processor from what is measured. So while there is
 * something to pass on, this one sleeps in steps of 0.1 ms between looks. It needs a
 * process that has nothing else to do meanwhile.
 */
export class LatencyProxy implements AsyncDisposable, ServerAddress {
  /** Port of the server. */
  readonly host = "127.0.0.1";
  /** Port of the server. */
  readonly port: number;
  readonly #target: ServerAddress;
  readonly #oneWay: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** All in order: they are equally late. */
  #batches: Batch[] = [];

  /**
   * @param target Where connections go.
   * @param port Where to listen.
   * @param latency Milliseconds to add to a round trip.
   */
  constructor(target: ServerAddress, port: number, latency: number) {
    this.port = port;
    this.#target = target;
    this.#oneWay = latency / 2;
    this.#server = createServer({ noDelay: true }, (client) => this.#open(client));
  }

  /** Starts to listen. */
  async listen(): Promise<void> {
    this.#server.listen(this.port, this.host);
    await once(this.#server, "listening");
  }

  /** Ends all connections and stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #open(client: Socket): void {
    const { host, port } = this.#target;
    const server = connect({ host, port, noDelay: true });
    this.#join(client, server);
    this.#join(server, client);
  }

  #join(source: Socket, sink: Socket): void {
    this.#sockets.add(source);
    source.on("data", (bytes) => this.#take(bytes as Buffer, sink));
    source.on("end", () => this.#take(undefined, sink));
    source.on("error", () => sink.destroy());
    source.on("close", () => this.#sockets.delete(source));
  }

  #take(bytes: Buffer | undefined, sink: Socket): void {
    this.#batches.push({ bytes, sink, due: performance.now() + this.#oneWay });
    if (this.#batches.length === 1) setImmediate(() => this.#passOn());
  }

  #passOn(): void {
    const now = performance.now();
    const late = this.#batches.findIndex(({ due }) => due > now);
    const due = this.#batches.splice(0, late === -1 ? this.#batches.length : late);
    for (const { bytes, sink } of due) {
      if (bytes === undefined) sink.end();
      else if (sink.writable) sink.write(bytes);
    }
    if (this.#batches.length === 0) return;
    if (due.length === 0) Atomics.wait(sleeper, 0, 0, STEP);
    setImmediate(() => this.#passOn());
  }
}

/**
 * Starts a proxy.
 *
 * @param target Where connections go.
 * @param latency Milliseconds to add to a round trip.
 */
export async function startLatencyProxy(
  target: ServerAddress,
  latency: number,
): Promise<LatencyProxy> {
  const proxy = new LatencyProxy(target, await freePort(), latency);
  await proxy.listen();
  return proxy;
}
