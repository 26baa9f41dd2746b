import { type Broker, type Clock, RabbitmqBroker, RedisBroker, SqliteBroker } from "../../mod.ts";
import { systemClock } from "../../platform/clock.ts";
import type { BrokerArguments } from "./target.ts";

/** Makes the broker that a process was told of, on a clock that may be wrong. */
export function openBroker({ kind, options }: BrokerArguments, clock: Clock = systemClock): Broker {
  switch (kind) {
    case "redis":
      return new RedisBroker({ ...options, clock });
    case "rabbitmq":
      return new RabbitmqBroker({ ...options, clock });
    case "sqlite":
      return new SqliteBroker({ ...options, clock });
  }
}
