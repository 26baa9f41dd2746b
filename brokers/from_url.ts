import type { Broker, BrokerOptions } from "../core/broker.ts";
import { assertOptions } from "../core/known_options.ts";
import { redactUrl } from "../clients/redact.ts";
import { splitUrls } from "./rabbitmq/address.ts";
import { RabbitmqBroker } from "./rabbitmq/rabbitmq_broker.ts";
import { RedisBroker } from "./redis/redis_broker.ts";
import { SqliteBroker } from "./sqlite/sqlite_broker.ts";
import { StubBroker } from "./stub/stub_broker.ts";

type Factory = (url: string | URL, options: BrokerOptions) => Broker;

const FACTORIES: ReadonlyMap<string, Factory> = /* @__PURE__ */ new Map([
  ["amqp:", rabbitmqFromUrl],
  ["amqps:", rabbitmqFromUrl],
  ["redis:", redisFromUrl],
  ["rediss:", redisFromUrl],
  ["sqlite:", (url: string | URL, options: BrokerOptions) => new SqliteBroker({ ...options, url })],
  ["stub:", (_url: string | URL, options: BrokerOptions) => new StubBroker(options)],
]);

function rabbitmqFromUrl(url: string | URL, options: BrokerOptions): Broker {
  return new RabbitmqBroker({ ...options, url });
}

function redisFromUrl(url: string | URL, options: BrokerOptions): Broker {
  return new RedisBroker({ ...options, url });
}

/**
 * Makes a broker from a URL.
 *
 * @param url `amqp://user:password@host:port/vhost`, `amqps://…` for TLS, several of these
 *   separated by semicolons (the first that can be reached is used),
 *   `redis://user:password@host:port/database`, `rediss://…` for TLS, `sqlite:tasks.db` or
 *   `sqlite:///var/lib/tasks.db` for one in a file, without a server, or `stub:` for one in memory.
 * @param options The middleware.
 * @returns The broker; it connects when it is first used.
 * @throws {TypeError} If it is not a URL, no broker has its scheme, or an option is not known.
 *
 * @example The broker that a deployment names
 * ```ts
 * import { brokerFromUrl, setBroker } from "@dq/dramatiq";
 *
 * setBroker(brokerFromUrl("redis://127.0.0.1:6379")); // connects when it is first used
 * ```
 */
export function brokerFromUrl(url: string | URL, options: BrokerOptions = {}): Broker {
  assertOptions("create a broker", options);
  const parsed = URL.parse(splitUrls(url)[0]!);
  const factory = parsed === null ? undefined : FACTORIES.get(parsed.protocol);
  if (parsed === null || factory === undefined) {
    throw new TypeError(`Cannot create a broker from "${redactUrl(url)}": ${reasonFor(url)}`);
  }
  return factory(url, options);
}

function reasonFor(url: string | URL): string {
  const schemes = [...FACTORIES.keys()];
  return schemes.some((scheme) => String(url).toLowerCase().startsWith(scheme))
    ? "it is not a valid URL; is the port a number, and is each / ? # @ % in the password escaped, as %2F?"
    : `it must be a URL that starts with ${schemes.join(", ")}`;
}
