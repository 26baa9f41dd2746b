import { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { ServerAddress } from "../support/servers/exchange.ts";
import { freePort } from "../support/servers/free_port.ts";

/** A server that sends back what it is sent, and ends when its client has. */
export class EchoServer implements AsyncDisposable, ServerAddress {
  /** Port of the server. */
  readonly host = "127.0.0.1";
  /** Port of the server. */
  readonly port: number;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer({ allowHalfOpen: true }, (socket) => {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.pipe(socket);
  });

  private constructor(port: number) {
    this.port = port;
  }

  /** Starts one. */
  static async start(): Promise<EchoServer> {
    const echo = new EchoServer(await freePort());
    echo.#server.listen(echo.port, echo.host);
    await once(echo.#server, "listening");
    return echo;
  }

  /** Ends all connections. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends all connections and stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.hangUp();
    await closed;
  }
}

/** A connection whose bytes can be waited for. */
export class Client implements AsyncDisposable {
  /** Resolves when the connection is over, however it ended. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #waiting = new Set<() => void>();
  #received: Buffer = Buffer.alloc(0);
  #isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk as Buffer]);
      for (const look of this.#waiting) look();
    });
    socket.on("close", () => {
      this.#isClosed = true;
      resolve();
    });
  }

  /**
   * Connects to a server.
   *
   * @throws {Error} If it refuses.
   */
  static async connect({ host, port }: ServerAddress): Promise<Client> {
    const socket = connect({ host, port });
    await once(socket, "connect");
    return new Client(socket);
  }

  /** True if the connection is over. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Number of bytes that have come. */
  get bytesReceived(): number {
    return this.#received.length;
  }

  /** Sends bytes. */
  send(bytes: string | Buffer): void {
    this.#socket.write(bytes);
  }

  /** Ends the writable side; bytes may still arrive. */
  end(): void {
    this.#socket.end();
  }

  /** Waits until as many bytes have come, and gives all that have. */
  receive(length: number): Promise<Buffer> {
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    const look = () => {
      if (this.#received.length < length) return;
      this.#waiting.delete(look);
      resolve(this.#received);
    };
    this.#waiting.add(look);
    look();
    return promise;
  }

  /** Ends the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    await this.closed;
  }
}
