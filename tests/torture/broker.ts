import { type Broker, RabbitmqBroker, RedisBroker } from "../../mod.ts";
import type { BrokerArguments } from "./victim.ts";

/** Makes the broker that a process was told of. */
export function openBroker({ kind, options }: BrokerArguments): Broker {
  return kind === "redis" ? new RedisBroker(options) : new RabbitmqBroker(options);
}
