import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { getLogger } from "../../core/logging.ts";

const log = getLogger("middleware", "Prometheus");

/** Answers a request, by its method. */
export type Answer = (method: string) => Promise<Response>;

/**
 * An HTTP server of its own for metrics. It answers any path, as Python's does.
 *
 * `node:http` is what all three runtimes have. It does not keep the process alive.
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
   * @param answer What it answers.
   * @returns The server.
   * @throws If it cannot listen there; `code` is `EADDRINUSE` when somebody else does.
   */
  static async listen(host: string, port: number, answer: Answer): Promise<ExpositionServer> {
    const server = createServer((request, response) => void reply(request, response, answer));
    server.listen(port, host);
    await once(server, "listening");
    server.on("error", (error) => log.warn("The server of metrics had trouble", { error }));
    server.unref();
    return new ExpositionServer(server);
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Stops; whoever is being answered is cut off. */
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
  const { status, headers, body } = await inFull(await answer(request.method ?? "GET"));
  response.writeHead(status, headers);
  response.end(body);
}

async function inFull(response: Response) {
  const { status, headers } = response;
  return { status, headers: Object.fromEntries(headers), body: await response.text() };
}
