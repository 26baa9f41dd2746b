/**
 * Addresses of pages: the base path of the dashboard, the broker in a path, and links.
 *
 * @module
 */

/** Limit of the depth of a page. All pages are less deep. */
const MAX_DEPTH = 10;

/** The path of a request, relative to the dashboard. */
export interface Address {
  /** Path of a page, such as `/queues/mails/dead`. */
  readonly path: string;
  /** The broker in the path, if there are several. */
  readonly broker: string | undefined;
  /** Prefix of links to pages of the same broker, with a trailing slash. */
  readonly root: string;
  /** Prefix of links to resources that all brokers share. */
  readonly top: string;
  /** Number of `../` from the page to the dashboard. */
  readonly depth: number;
}

/**
 * Splits the path of a request.
 *
 * Without a base path, links are relative to the page, so that they work behind a proxy that strips
 * a prefix.
 *
 * @param pathname The encoded path of the URL.
 * @param basePath Path of the dashboard, without a trailing slash; `undefined` if unknown.
 * @param hasBrokers True if the path may begin with the name of a broker, `/@NAME/queues`.
 */
export function addressOf(
  pathname: string,
  basePath: string | undefined,
  hasBrokers: boolean,
): Address {
  const local = withoutBase(pathname, basePath);
  const [, name, rest = "/"] = (hasBrokers ? /^\/@([^/]*)(\/[^]*)?$/.exec(local) : null) ?? [];
  const path = name === undefined ? local : rest;
  const depth = local.split("/").length - 2;
  const top = basePath === undefined ? upwards(depth) : `${basePath}/`;
  const broker = name === undefined ? undefined : decode(name);
  return { path, broker, top, depth, root: name === undefined ? top : `${top}@${name}/` };
}

/** The same address, with links for a page at another depth. */
export function onPageAt(address: Address, depth: number, basePath: string | undefined): Address {
  if (basePath !== undefined) return address;
  const top = upwards(Math.min(Math.max(0, Math.trunc(depth) || 0), MAX_DEPTH));
  return { ...address, depth, top, root: top + address.root.slice(address.top.length) };
}

function withoutBase(pathname: string, basePath: string | undefined): string {
  if (basePath === undefined || basePath === "") return pathname;
  if (pathname === basePath) return "/";
  // A proxy may have stripped the base path.
  return pathname.startsWith(`${basePath}/`) ? pathname.slice(basePath.length) : pathname;
}

function upwards(depth: number): string {
  return depth <= 0 ? "./" : "../".repeat(depth);
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/**
 * Encodes a text as a segment of a path. Escapes leading dots: `..` would mean the parent.
 *
 * @param text Any text.
 */
export function segment(text: string): string {
  const encoded = encodeURIComponent(text.toWellFormed());
  return /^[.~]/.test(encoded) || encoded === "" ? `~${encoded}` : encoded;
}

/** Decodes a {@linkcode segment} that is percent-decoded already. */
export function fromSegment(part: string): string {
  return part.startsWith("~") ? part.slice(1) : part;
}

/** Encodes values as a query string, with a leading `?`. Omits `undefined` and empty values. */
export function query(values: Readonly<Record<string, string | undefined>>): string {
  const pairs = Object.entries(values).filter((pair): pair is [string, string] =>
    pair[1] !== undefined && pair[1] !== ""
  );
  if (pairs.length === 0) return "";
  const params = new URLSearchParams(pairs.map(([name, value]) => [name, value.toWellFormed()]));
  return `?${params}`;
}
