import type { Broker, BrokerOptions } from "../core/broker.ts";
import { errorMessage } from "../platform/thrown.ts";
import { setDefaultBrokerFactory } from "../core/global_broker.ts";
import { redactUrl } from "../clients/redact.ts";
import { mayReadEnvironment, readEnvironment } from "../platform/runtime.ts";
import { splitUrls } from "./rabbitmq/address.ts";
import { isInstalled } from "./rabbitmq/client.ts";
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
 * @throws {TypeError} If it is no URL, or of a scheme that no broker has.
 */
export function brokerFromUrl(url: string | URL, options: BrokerOptions = {}): Broker {
  const parsed = URL.parse(splitUrls(url)[0]!);
  const factory = parsed === null ? undefined : FACTORIES.get(parsed.protocol);
  if (parsed === null || factory === undefined) {
    const schemes = [...FACTORIES.keys()].join(", ");
    throw new TypeError(
      `Cannot create a broker from "${
        redactUrl(url)
      }": it must be a URL that starts with ${schemes}`,
    );
  }
  return factory(url, options);
}

/** As Python's dramatiq does; who has no client for RabbitMQ has another server. */
function defaultBroker(): Broker {
  return isInstalled() ? new RabbitmqBroker() : new RedisBroker();
}

setDefaultBrokerFactory(() => {
  if (!mayReadEnvironment("dramatiq_broker_url")) {
    throw new TypeError(
      "Cannot choose a broker: reading DRAMATIQ_BROKER_URL is not permitted; run again with " +
        "--allow-env=DRAMATIQ_BROKER_URL (or --allow-env, which ioredis needs), or call setBroker() before " +
        "actors are declared",
    );
  }
  const url = readEnvironment("dramatiq_broker_url");
  if (url === undefined) return defaultBroker();
  try {
    return brokerFromUrl(url);
  } catch (error) {
    throw new TypeError(`Cannot use DRAMATIQ_BROKER_URL. ${errorMessage(error)}`, { cause: error });
  }
});
