import { type Broker, type Clock, RabbitmqBroker, RedisBroker } from "../../mod.ts";
import { systemClock } from "../../platform/clock.ts";
import type { BrokerArguments } from "./target.ts";

/** Makes the broker that a process was told of, on a clock that may be wrong. */
export function openBroker({ kind, options }: BrokerArguments, clock: Clock = systemClock): Broker {
  return kind === "redis"
    ? new RedisBroker({ ...options, clock })
    : new RabbitmqBroker({ ...options, clock });
}
