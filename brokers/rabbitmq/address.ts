import { assertWholeUrl, decodeUrlPart, redactUrl } from "../../clients/redact.ts";

/** Address of a RabbitMQ, with the names of amqplib. */
export interface RabbitmqConnectionOptions {
  /** `amqps` is TLS. @default {"amqp"} */
  protocol?: "amqp" | "amqps";
  /** Name or address. @default {"127.0.0.1"} */
  hostname?: string;
  /** Port of the server. @default {5672} 5671 with TLS. */
  port?: number;
  /** User name. @default {"guest"} */
  username?: string;
  /** Password of the user. @default {"guest"} */
  password?: string;
  /** The virtual host, not percent-encoded. @default {"/"} */
  vhost?: string;
  /** Options for Node's `tls.connect`, such as `ca`, `cert` and `key`; with these, it is TLS. */
  tls?: Readonly<Record<string, unknown>>;
}

/** Address of RabbitMQ: at most one of these; without any, 127.0.0.1:5672. */
export interface RabbitmqAddress {
  /**
   * `amqp://user:password@host:port/vhost`, or `amqps://…` for TLS. All parts but the scheme are
   * optional. Of several, in a list or separated by semicolons, `amqp://a;amqp://b`, the first that can
   * be reached is used. A parameter `heartbeat` is in seconds, as in all such URLs.
   *
   * @default {"amqp://guest:guest@127.0.0.1:5672/"}
   */
  url?: string | URL | readonly (string | URL)[];
  /** The same in parts, for options that a URL does not have. */
  connection?: RabbitmqConnectionOptions | readonly RabbitmqConnectionOptions[];
}

/** One server, and how to connect to it. Times are in milliseconds. */
export interface RabbitmqSource {
  readonly isTls: boolean;
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  readonly tls: Readonly<Record<string, unknown>>;
  readonly heartbeat: number;
  readonly connectionTimeout: number;
  /** True for the default address. @default {false} */
  readonly isDefault?: boolean;
}

/** Connection times, the same for each server. */
type Times = Pick<RabbitmqSource, "heartbeat" | "connectionTimeout">;

/** Name of a server, for logs and for comparing servers. */
export function nameOf({ hostname, port, vhost }: RabbitmqSource): string {
  return `${hostname}:${port}${vhost === "/" ? "" : `/${vhost}`}`;
}

/**
 * Checks an address.
 *
 * @param address The user's options.
 * @param times Connection times.
 * @returns The servers in order, at least one.
 * @throws {TypeError} If it is not valid.
 */
export function toSources(address: RabbitmqAddress, times: Times): RabbitmqSource[] {
  const { url, connection } = address;
  if (url !== undefined && connection !== undefined) {
    throw new TypeError("Cannot connect to RabbitMQ by url and connection: set only one of them");
  }
  const sources = connection === undefined
    ? listOf(url ?? "amqp://").flatMap(splitUrls).map((one) => ofUrl(one, times))
      .map((source) => url === undefined ? { ...source, isDefault: true } : source)
    : listOf(connection).map((one) => ofOptions(one, times));
  if (sources.length > 0) return sources;
  throw new TypeError("Cannot connect to RabbitMQ: the list of servers is empty");
}

function listOf<T>(oneOrMany: T | readonly T[]): readonly T[] {
  return Array.isArray(oneOrMany) ? oneOrMany as readonly T[] : [oneOrMany as T];
}

/** Between two URLs in one text; a `;` may also be part of a password or virtual host. */
const SEPARATOR = /;\s*(?=amqps?:)/i;

/**
 * Takes a text with several URLs apart, as Python's dramatiq does.
 *
 * @param url One URL, or several, separated by semicolons.
 * @returns The URLs, at least one.
 */
export function splitUrls(url: string | URL): readonly (string | URL)[] {
  return typeof url === "string" ? url.split(SEPARATOR) : [url];
}

const KNOWN_OPTIONS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "protocol",
  "hostname",
  "port",
  "username",
  "password",
  "vhost",
  "tls",
]);

function ofOptions(options: RabbitmqConnectionOptions, times: Times): RabbitmqSource {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot connect to RabbitMQ by ${redactUrl(options)}: connection must be an object or a list`,
    );
  }
  const strange = Object.keys(options).find((name) => !KNOWN_OPTIONS.has(name));
  if (strange !== undefined) {
    throw new TypeError(
      `Cannot connect to RabbitMQ by connection: it has no option "${strange}"; known are ` +
        [...KNOWN_OPTIONS].join(", "),
    );
  }
  const { protocol = options.tls === undefined ? "amqp" : "amqps" } = options;
  if (protocol !== "amqp" && protocol !== "amqps") {
    throw new TypeError(
      `Cannot connect to RabbitMQ by protocol "${redactUrl(protocol)}": it must be amqp or amqps`,
    );
  }
  const isTls = protocol === "amqps";
  const { hostname = "127.0.0.1", username = "guest", password = "guest", vhost = "/" } = options;
  if (/[@/]/.test(hostname)) {
    throw new TypeError(
      `Cannot connect to RabbitMQ at "${redactUrl(hostname)}": hostname must be a name or an ` +
        "address; a URL is the option url",
    );
  }
  const { port = isTls ? 5671 : 5672, tls = {} } = options;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new TypeError(`Cannot connect to RabbitMQ at port ${port}: it must be 1 to 65535`);
  }
  return { isTls, hostname, port, username, password, vhost, tls, ...times };
}

function ofUrl(url: string | URL, times: Times): RabbitmqSource {
  const parsed = URL.parse(url);
  const isTls = parsed?.protocol === "amqps:";
  // One server of several without its scheme would become part of the name of another.
  const isOne = parsed !== null && !parsed.hostname.includes(";");
  if (!isOne || (parsed.protocol !== "amqp:" && !isTls)) {
    throw new TypeError(
      `Cannot connect to "${
        redactUrl(url)
      }": it must be a URL like amqp://host:5672/vhost or amqps://…`,
    );
  }
  assertWholeUrl(parsed, url);
  const { searchParams } = parsed;
  const strange = [...searchParams.keys()].find((name) => name !== "heartbeat");
  if (strange !== undefined) {
    throw new TypeError(
      `Cannot connect to "${redactUrl(url)}": it has no parameter "${strange}"; use the options`,
    );
  }
  const seconds = searchParams.get("heartbeat");
  if (seconds !== null && !/^\d{1,5}$/.test(seconds)) {
    throw new TypeError(
      `Cannot connect to "${redactUrl(url)}": heartbeat "${seconds}" must be whole seconds`,
    );
  }
  const hasUser = parsed.username !== "" || parsed.password !== "";
  return ofOptions({
    protocol: isTls ? "amqps" : "amqp",
    hostname: parsed.hostname.replace(/^\[(.*)\]$/, "$1") || "127.0.0.1",
    ...(parsed.port && { port: Number(parsed.port) }),
    ...(hasUser && {
      username: decodeUrlPart(parsed.username, url),
      password: decodeUrlPart(parsed.password, url),
    }),
    vhost: decodeUrlPart(parsed.pathname.replace(/^\//, ""), url) || "/",
  }, seconds === null ? times : { ...times, heartbeat: Number(seconds) * 1_000 });
}
