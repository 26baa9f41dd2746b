import { UsageError } from "../usage_error.ts";

/** Address to listen on. */
export interface ListenAddress {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

const HIGHEST_PORT = 65_535;

/**
 * Parses an address to listen on.
 *
 * @param flag The option, for errors.
 * @param text `HOST:PORT`, with an IPv6 address in brackets.
 * @throws {UsageError} If the text is invalid.
 */
export function parseListenAddress(flag: string, text: string): ListenAddress {
  const [, bracketed, plain, digits] = /^(?:\[([\da-f:.%\w]+)\]|([^\s:/[\]]+)):(\d{1,5})$/i
    .exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host !== undefined && port <= HIGHEST_PORT) return { host, port };
  throw new UsageError(
    `Cannot use "${text}" for ${flag}: it must be HOST:PORT, such as 127.0.0.1:9193 or [::]:9193`,
  );
}

/** The address as part of a URL. */
export function formatListenAddress({ host, port }: ListenAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
