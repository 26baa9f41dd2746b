/**
 * Registers the broker that `getBroker()` creates unless `setBroker()` was called. It is a module of
 * its own because the command line imports `brokerFromUrl` lazily: bundlers that split code would put
 * both into one chunk, which runs after the actors are declared.
 *
 * @module
 */
import type { Broker } from "../core/broker.ts";
import { setDefaultBrokerFactory } from "../core/global_broker.ts";
import { mayReadEnvironment, readEnvironment } from "../platform/runtime.ts";
import { errorMessage } from "../platform/thrown.ts";
import { brokerFromUrl } from "./from_url.ts";
import { isInstalled } from "./rabbitmq/client.ts";
import { RabbitmqBroker } from "./rabbitmq/rabbitmq_broker.ts";
import { RedisBroker } from "./redis/redis_broker.ts";

/** RabbitMQ, as in Python's dramatiq, if its client is installed; otherwise Redis. */
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
