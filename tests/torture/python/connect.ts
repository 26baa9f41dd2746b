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
export function connectPeer(
  { kind, options }: BrokerArguments,
  queueName: string,
): Promise<PythonPeer> {
  const url = `${options.url}`;
  return kind === "redis"
    ? PythonRedisPeer.connect(url)
    : PythonRabbitmqPeer.connect(url, queueName);
}
