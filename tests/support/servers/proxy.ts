import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { ServerAddress } from "./exchange.ts";
import { freePort } from "./free_port.ts";
import { type ProxyFault, ProxyWire } from "./proxy_fault.ts";
import { ProxyLane, type Weather } from "./proxy_lane.ts";

interface Connection {
  readonly sockets: readonly [client: Socket, target: Socket];
  readonly wire: ProxyWire;
  readonly lanes: readonly ProxyLane[];
}

/** A TCP proxy on the loopback interface that can do what networks do. */
export class TcpProxy implements AsyncDisposable, ServerAddress, Weather {
  /** Port of the server. */
  readonly host = "127.0.0.1";
  /** Address that it listens on; the same after {@linkcode refuse} and {@linkcode accept}. */
  readonly port: number;
  readonly #target: ServerAddress;
  readonly #connections = new Set<Connection>();
  readonly #waiting: (() => void)[] = [];
  /** Servers that refuse. Each has closed when the last connection that it let in has ended. */
  readonly #closing: Promise<unknown>[] = [];
  #server: Server | undefined;
  #latency = 0;
  #isFrozen = false;
  #fault: ProxyFault | undefined;
  #total = 0;
  #bytesToTarget = 0;
  #bytesToClients = 0;

  /**
   * @param target Where connections go.
   * @param port Where to listen, after {@linkcode accept}.
   */
  constructor(target: ServerAddress, port: number) {
    this.#target = target;
    this.port = port;
  }

  /** Number of connections. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Number of connections there have been. */
  get totalConnections(): number {
    return this.#total;
  }

  /** Number of of the connections there are were made silent. */
  get silentConnections(): number {
    return [...this.#connections].filter(({ wire }) => wire.isSilent).length;
  }

  /** Number of bytes that were passed on to the target. */
  get bytesToTarget(): number {
    return this.#bytesToTarget;
  }

  /** Number of bytes of clients are held back. */
  get heldForTarget(): number {
    return this.#connections.values().reduce((sum, { lanes }) => sum + lanes[0]!.held, 0);
  }

  /** Number of bytes that were passed on to clients. */
  get bytesToClients(): number {
    return this.#bytesToClients;
  }

  /** Milliseconds that each byte takes in each direction, in order. @default {0} */
  get latency(): number {
    return this.#latency;
  }

  /** Counts for bytes that arrive from now on. */
  set latency(ms: number) {
    this.#latency = ms;
  }

  /** True if connections are half-open. */
  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** Makes connections half-open: they take bytes, pass nothing on and do not end. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** Passes on all that was held back, in order, and goes on as before. */
  thaw(): void {
    this.#isFrozen = false;
    for (const { lanes } of this.#connections) {
      for (const lane of lanes) lane.flush();
    }
  }

  /** Fault of connections, if anything is. */
  get fault(): ProxyFault | undefined {
    return this.#fault;
  }

  /** Begins a fault, in place of another one. */
  begin(fault: ProxyFault): void {
    this.heal();
    this.#fault = fault;
    for (const { wire } of this.#connections) wire.begin(fault);
  }

  /** Ends the fault. Connections that it made silent stay so. */
  heal(): void {
    const { kind } = this.#fault ?? {};
    this.#fault = undefined;
    if (kind !== "trickle") return;
    for (const { lanes } of this.#connections) {
      for (const lane of lanes) lane.hurry();
    }
  }

  /** Makes the connections that there are silent for good, in both directions; not new ones. */
  abandon(): void {
    for (const { wire } of this.#connections) wire.silence();
  }

  /** Ends all connections on both sides, with what they held back. */
  async cut(): Promise<void> {
    const sockets = [...this.#connections].flatMap(({ sockets }) => sockets);
    await Promise.all(sockets.map((socket) => {
      if (socket.closed) return;
      const closed = once(socket, "close");
      socket.destroy();
      return closed;
    }));
  }

  /** Lets no new connections in: clients are refused. Those there are go on. */
  refuse(): void {
    if (this.#server === undefined) return;
    this.#closing.push(once(this.#server, "close"));
    this.#server.close();
    this.#server = undefined;
  }

  /** Lets new connections in again. */
  async accept(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      this.#open(client);
    });
    this.#server = server;
    server.listen(this.port, this.host);
    await once(server, "listening");
  }

  /** Resolves when the next client has connected. */
  nextConnection(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends all connections and stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.refuse();
    await this.cut();
    await Promise.all(this.#closing);
  }

  #open(client: Socket): void {
    const target = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const wire = new ProxyWire([client, target]);
    const [up, down] = [
      { source: client, sink: target, isAnswers: false },
      { source: target, sink: client, isAnswers: true },
    ];
    const connection: Connection = {
      sockets: [client, target],
      wire,
      lanes: [
        new ProxyLane(up, wire, this, (bytes) => this.#bytesToTarget += bytes),
        new ProxyLane(down, wire, this, (bytes) => this.#bytesToClients += bytes),
      ],
    };
    this.#connections.add(connection);
    if (this.#fault !== undefined) wire.begin(this.#fault);
    for (const socket of connection.sockets) {
      socket.on("close", () => {
        if (client.closed && target.closed) this.#connections.delete(connection);
      });
    }
    this.#total++;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/**
 * Starts a proxy that lets everything through.
 *
 * @param target Where connections go.
 */
export async function startProxy(target: ServerAddress): Promise<TcpProxy> {
  const { host, port } = target;
  const proxy = new TcpProxy({ host, port }, await freePort());
  await proxy.accept();
  return proxy;
}
