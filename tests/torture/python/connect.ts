import type { BrokerArguments } from "../target.ts";
import type { PythonPeer } from "./peer.ts";
import { PythonRabbitmqPeer } from "./rabbitmq_peer.ts";
import { PythonRedisPeer } from "./redis_peer.ts";

/**
 * Connects a peer to the server of a broker.
 *
 * @param broker The broker.
 * @param queueName The queue.
 */
export function connectPeer(broker: BrokerArguments, queueName: string): Promise<PythonPeer> {
  const url = `${broker.options.url}`;
  return broker.kind === "redis"
    ? PythonRedisPeer.connect(url, broker.options.heartbeatTimeout)
    : PythonRabbitmqPeer.connect(url, queueName);
}
