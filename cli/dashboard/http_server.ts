import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { assertMayListen } from "../../platform/runtime.ts";

/** A function that answers requests. */
export type Handler = (request: Request) => Promise<Response>;

/** An HTTP server for a handler, on `node:http`, which all three runtimes have. */
export class HttpServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Starts to listen.
   *
   * @param host The address.
   * @param port The port; 0 for any.
   * @param handler The handler, which must not reject.
   * @returns The server.
   * @throws If it cannot listen; with `code` `EADDRINUSE` if the port is in use.
   */
  static async listen(host: string, port: number, handler: Handler): Promise<HttpServer> {
    assertMayListen(`${host.includes(":") ? `[${host}]` : host}:${port}`);
    const server = createServer((request, response) => void answer(request, response, handler));
    server.listen(port, host);
    await once(server, "listening");
    return new HttpServer(server);
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Stops, and closes all connections. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  handler: Handler,
): Promise<void> {
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  const request = requestOf(incoming, gone.signal);
  if (request === undefined) {
    outgoing.writeHead(400).end();
    return;
  }
  let body: Response["body"];
  try {
    const response = await handler(request);
    body = response.body;
    writeHead(outgoing, response);
  } catch {
    // A header that fetch allows and node:http does not, such as one with an escape character.
    outgoing.writeHead(500).end();
    return;
  }
  const reader = body?.getReader();
  gone.signal.addEventListener("abort", () => void reader?.cancel().catch(() => {}));
  try {
    outgoing.flushHeaders();
    for (let part = await reader?.read(); part?.done === false; part = await reader!.read()) {
      if (outgoing.destroyed) break;
      if (!outgoing.write(part.value)) await drained(outgoing);
    }
  } catch {
    // The body stream has failed; the client gets a truncated response.
  } finally {
    outgoing.end();
  }
}

function writeHead(outgoing: ServerResponse, { status, headers }: Response): void {
  const pairs: Record<string, string | string[]> = Object.fromEntries(headers);
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) pairs["set-cookie"] = cookies;
  outgoing.writeHead(status, pairs);
}

/** Converts a request; `undefined` if fetch does not allow its target, host, method or headers. */
function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = "GET", url = "/" } = incoming;
  const host = incoming.headers.host ?? "localhost";
  const target = URL.parse(url, `http://${host}`);
  if (target === null || !url.startsWith("/") || url.startsWith("//")) return undefined;
  if (host.includes("@")) return undefined; // Deno and Bun would take it for credentials.
  try {
    const headers = new Headers();
    for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
      headers.append(incoming.rawHeaders[i]!, incoming.rawHeaders[i + 1]!);
    }
    const init: RequestInit & { duplex?: "half" } = { method, headers, signal };
    if (method !== "GET" && method !== "HEAD") {
      init.body = Readable.toWeb(incoming) as ReadableStream<Uint8Array<ArrayBuffer>>;
      init.duplex = "half";
    }
    return new Request(target, init);
  } catch {
    return undefined; // The method TRACE, for example.
  }
}

/** Waits until the response can be written to, or the client is gone. */
async function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once("drain", resolve).once("close", resolve);
  await promise;
  response.off("drain", resolve).off("close", resolve);
}
