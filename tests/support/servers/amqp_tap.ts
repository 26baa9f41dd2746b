import type { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type AmqpMethod, AmqpReader } from "./amqp_reader.ts";
import type { ServerAddress } from "./exchange.ts";
import { freePort } from "./free_port.ts";

/** A method, and on which connection it went. */
export interface TappedMethod extends AmqpMethod {
  /** Connections are numbered from 0. */
  readonly connection: number;
  /** Sender. */
  readonly from: "client" | "server";
}

/** Passes on what a client and a RabbitMQ say to each other, and reads along. */
export class AmqpTap implements AsyncDisposable, ServerAddress {
  /** Port of the server. */
  readonly host = "127.0.0.1";
  /** Port of the server. */
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket> = new Set();
  readonly #version: string | undefined;
  #methods: TappedMethod[] = [];
  #connections = 0;

  /**
   * @param target Where connections go.
   * @param port Where to listen, after `open`.
   * @param version What clients are told of the server's version, no longer than that.
   */
  constructor(target: ServerAddress, port: number, version?: string) {
    this.port = port;
    this.#version = version;
    this.#server = createServer({ noDelay: true }, (client) => this.#tap(client, target));
  }

  /** For clients. */
  get url(): string {
    return `amqp://guest:guest@${this.host}:${this.port}`;
  }

  /** All that was said since the last {@linkcode take}. */
  get methods(): readonly TappedMethod[] {
    return this.#methods;
  }

  /** Begins to listen. */
  async open(): Promise<this> {
    this.#server.listen(this.port, this.host);
    await once(this.#server, "listening");
    return this;
  }

  /** Gives what was said since the last call. */
  take(): TappedMethod[] {
    const methods = this.#methods;
    this.#methods = [];
    return methods;
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends all connections and stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cut();
    await closed;
  }

  #tap(client: Socket, target: ServerAddress): void {
    const server = connect({ host: target.host, port: target.port, noDelay: true });
    const connection = this.#connections++;
    if (this.#version !== undefined) disguise(server, this.#version);
    this.#join(client, server, this.#reader(connection, "client"));
    this.#join(server, client, this.#reader(connection, "server"));
  }

  #reader(connection: number, from: TappedMethod["from"]): AmqpReader {
    return new AmqpReader((method) => this.#methods.push({ ...method, connection, from }));
  }

  #join(source: Socket, sink: Socket, reader: AmqpReader): void {
    this.#sockets.add(source);
    source.on("data", (bytes) => {
      reader.add(bytes as never);
      if (!sink.write(bytes)) source.pause();
    });
    sink.on("drain", () => source.resume());
    source.on("end", () => sink.end());
    source.on("error", () => sink.destroy());
    source.on("close", () => {
      this.#sockets.delete(source);
      sink.destroy();
    });
  }
}

/** Has a server greet with another version, filled up to the length of its own. */
function disguise(server: Socket, version: string): void {
  server.prependOnceListener("data", (bytes: Buffer) => {
    const [, before, own] = /(versionS\0\0\0.)([\d.]+)/s.exec(bytes.toString("latin1"))!;
    const at = bytes.indexOf(before!, 0, "latin1") + before!.length;
    bytes.write(version.padEnd(own!.length, "0"), at, own!.length, "latin1");
  });
}

/** Starts one. */
export async function startTap(
  { host, port }: ServerAddress,
  version?: string,
): Promise<AmqpTap> {
  return await new AmqpTap({ host, port }, await freePort(), version).open();
}
