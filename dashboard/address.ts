/**
 * Addresses of pages: where the dashboard is mounted, which broker a path names, links.
 *
 * @module
 */

/** More steps than any page is down. */
const MAX_DEPTH = 10;

/** A request's path, relative to the dashboard. */
export interface Address {
  /** Path of a page, `/queues/mails/dead`. */
  readonly path: string;
  /** The broker that the path names, if there are several. */
  readonly broker: string | undefined;
  /** Beginning of each link to the same broker, with a slash at its end. */
  readonly root: string;
  /** Beginning of each link to what is common to all brokers. */
  readonly top: string;
  /** Steps up from the page to the dashboard. */
  readonly depth: number;
}

/**
 * Splits the path of a request.
 *
 * Links are relative to the page if there is no base path: they then hold behind a proxy that
 * strips a prefix.
 *
 * @param pathname The path of the URL, as encoded.
 * @param basePath Where the dashboard is mounted, without a slash at its end; `undefined` if unknown.
 * @param hasBrokers True if the first part of a path may name a broker, `/@NAME/queues`.
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

/** The same address, with links that hold on a page so many steps down. */
export function onPageAt(address: Address, depth: number, basePath: string | undefined): Address {
  if (basePath !== undefined) return address;
  const top = upwards(Math.min(Math.max(0, Math.trunc(depth) || 0), MAX_DEPTH));
  return { ...address, depth, top, root: top + address.root.slice(address.top.length) };
}

function withoutBase(pathname: string, basePath: string | undefined): string {
  if (basePath === undefined || basePath === "") return pathname;
  if (pathname === basePath) return "/";
  // A proxy may have stripped it.
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
 * Encodes a text as a part of a path. Parts of dots alone would be taken for steps up.
 *
 * @param text Any text.
 */
export function segment(text: string): string {
  const encoded = encodeURIComponent(text.toWellFormed());
  return /^[.~]/.test(encoded) || encoded === "" ? `~${encoded}` : encoded;
}

/** Undoes {@linkcode segment}, once the part is decoded. */
export function fromSegment(part: string): string {
  return part.startsWith("~") ? part.slice(1) : part;
}

/** Encodes values as a query, with its question mark; those that are `undefined` are left out. */
export function query(values: Readonly<Record<string, string | undefined>>): string {
  const pairs = Object.entries(values).filter((pair): pair is [string, string] =>
    pair[1] !== undefined && pair[1] !== ""
  );
  if (pairs.length === 0) return "";
  const params = new URLSearchParams(pairs.map(([name, value]) => [name, value.toWellFormed()]));
  return `?${params}`;
}
