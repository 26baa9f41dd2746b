import { errorMessage } from "../platform/thrown.ts";

/** Code of the error of a TLS client for a reply that is not TLS, on all runtimes. */
const NOT_TLS = "ERR_SSL_WRONG_VERSION_NUMBER";
/** Error texts of a TLS client for a server that waits for more: its hello is no whole command. */
const SILENT = /ETIMEDOUT|did not answer within/;
/**
 * Error texts for a server that closes a connection on which the client speaks another protocol. A TLS
 * server may reply with an alert before: ioredis reads its first byte, 21, as a type.
 */
const CLOSED =
  /ECONNRESET|EPIPE|closed abruptly|closed the connection|connection was closed|RESP type 21/;

/**
 * Tells how to change an address if the likely reason of a failed connection is that one side speaks
 * TLS and the other does not.
 *
 * @param error The error of a connection that was never up.
 * @param isTls True if the client speaks TLS.
 * @param scheme Scheme of URLs without TLS; with TLS it ends in an "s".
 * @returns Text to append to the reason; empty if another reason is more likely.
 */
export function tlsAdvice(error: unknown, isTls: boolean, scheme: string): string {
  if (!isTls) {
    return isClosedByTls(error)
      ? `; if the server speaks TLS on this port, use ${scheme}s:// or the option tls`
      : "";
  }
  const isLikely = (error as { code?: unknown } | undefined)?.code === NOT_TLS ||
    SILENT.test(errorMessage(error)) || isClosedByTls(error);
  return isLikely
    ? `; if the server does not speak TLS on this port, use ${scheme}://, or the port for TLS`
    : "";
}

/** True if a client without TLS may have this error because the server speaks TLS. */
export function isClosedByTls(error: unknown): boolean {
  return CLOSED.test(errorMessage(error));
}
