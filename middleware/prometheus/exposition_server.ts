import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { getLogger } from "../../platform/logging.ts";

const log = /* @__PURE__ */ getLogger("middleware", "Prometheus");

/** Answers a request with a given method. */
export type Answer = (method: string) => Promise<Response>;

/**
 * An HTTP server for metrics. It answers any path, as Python's does, and does not keep the process
 * alive. All three runtimes have `node:http`.
 */
export class ExpositionServer implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Starts to listen.
   *
   * @param host The address.
   * @param port The port; 0 for any.
   * @param answer Answers requests.
   * @returns The server.
   * @throws If it cannot listen there; `code` is `EADDRINUSE` if another process does.
   */
  static async listen(host: string, port: number, answer: Answer): Promise<ExpositionServer> {
    const server = createServer((request, response) => void reply(request, response, answer));
    server.listen(port, host);
    await once(server, "listening");
    server.on("error", (error) => log.warn("Metrics server failed", { error }));
    server.unref();
    return new ExpositionServer(server);
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Stops, and cuts off pending answers. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

async function reply(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
): Promise<void> {
  const { status, headers, body } = await answer(request.method ?? "GET");
  response.writeHead(status, Object.fromEntries(headers));
  const reader = body?.getReader();
  try {
    for (let part = await reader?.read(); part?.done === false; part = await reader!.read()) {
      if (!response.write(part.value)) await drained(response);
      if (response.destroyed) break;
    }
  } finally {
    await reader?.cancel().catch(() => {});
    response.end();
  }
}

/** Waits until there is room for more, or the client is gone. */
async function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once("drain", resolve).once("close", resolve);
  await promise;
  response.off("drain", resolve).off("close", resolve);
}
