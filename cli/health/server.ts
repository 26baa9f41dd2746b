import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { assertMayListen } from "../../platform/runtime.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { answerHealth } from "../../worker/health.ts";
import type { Health } from "../../worker/health_report.ts";
import { UsageError } from "../usage_error.ts";
import { formatListenAddress, type ListenAddress } from "./address.ts";

/** Milliseconds that a client has to send its request. */
const REQUEST_TIMEOUT = 5_000;
/** Maximum of bytes of request headers. */
const MAX_HEADERS = 8_192;
/** Maximum of open connections; a probe needs one for a moment. */
const MAX_CONNECTIONS = 100;

/** Serves health checks of worker processes over HTTP. */
export class HealthServer {
  readonly #server: Server;
  /** Address that it listens on. */
  readonly address: ListenAddress;

  private constructor(server: Server, address: ListenAddress) {
    this.#server = server;
    this.address = address;
  }

  /**
   * Starts to listen.
   *
   * @param wanted The address.
   * @param read Returns the current health.
   * @throws {UsageError} If the address cannot be used.
   */
  static async open(wanted: ListenAddress, read: () => Health): Promise<HealthServer> {
    const options = {
      maxHeaderSize: MAX_HEADERS,
      requestTimeout: REQUEST_TIMEOUT,
      headersTimeout: REQUEST_TIMEOUT,
      connectionsCheckingInterval: REQUEST_TIMEOUT,
    };
    const server = createServer(options, (request, response) => {
      const { status, headers, body } = answerHealth(
        request.method ?? "",
        pathOf(request.url),
        read,
      );
      request.resume(); // discards the body
      response.writeHead(status, { ...headers, connection: "close" });
      response.end(request.method === "HEAD" ? undefined : body);
    });
    server.maxConnections = MAX_CONNECTIONS;
    await listen(server, wanted);
    const { port } = server.address() as AddressInfo;
    return new HealthServer(server, { host: wanted.host, port });
  }

  /** Stops listening, and closes all connections. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** The path of a request; `/`, which is not found, for invalid ones. */
function pathOf(url = "/"): string {
  return url.startsWith("/") && !url.startsWith("//") ? url : "/";
}

async function listen(server: Server, address: ListenAddress): Promise<void> {
  try {
    assertMayListen(formatListenAddress(address));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(address.port, address.host, resolve);
    });
  } catch (error) {
    const { code } = error as { code?: string };
    const reason = code === "EADDRINUSE"
      ? "another program listens there (EADDRINUSE)"
      : errorMessage(error);
    const where = formatListenAddress(address);
    throw new UsageError(`Cannot serve health checks on ${where}: ${reason}`, { cause: error });
  }
  server.removeAllListeners("error").on("error", () => {}); // of single connections
}
