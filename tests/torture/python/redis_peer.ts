import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import type { PythonDelivery, PythonMessage, PythonPeer } from "./peer.ts";

/** Milliseconds between two fetches that bring nothing. */
const INTERVAL = 50;
/** Milliseconds that an answer may take. */
const TIMEOUT = 3_000;
const NAMESPACE = "dramatiq";
/** Share of the fetches that begin with maintenance: far more than the thousandth of Python. */
const MAINTENANCE_CHANCE = 0.05;

/**
 * The commands that Python's script was seen to run for each of its verbs. Each first renews the
 * heartbeat. Source: `tests/vectors/redis_broker.json`.
 *
 * KEYS: heartbeats, queue, its messages, unacknowledged. ARGV: now, broker id, then its own.
 */
const HEARTBEAT = `redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])`;
/** ARGV: the id, the text. */
const ENQUEUE = `${HEARTBEAT}
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('RPUSH', KEYS[2], ARGV[3])`;
/**
 * Maintenance, which a fetch may begin with: puts back what dead brokers had of the queue at hand,
 * and takes the heartbeats of those away that have nothing else. ARGV: how many, the heartbeat of the
 * dead or "". KEYS: the prefix of unacknowledged.
 */
const MAINTENANCE = `
if ARGV[4] ~= '' then
  for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], 0, ARGV[4])) do
    local held = KEYS[5] .. dead .. string.sub(KEYS[4], #KEYS[5] + #ARGV[2] + 1)
    for _, id in ipairs(redis.call('SMEMBERS', held)) do
      if redis.call('HEXISTS', KEYS[3], id) == 1 then redis.call('RPUSH', KEYS[2], id) end
    end
    redis.call('DEL', held)
    if #redis.call('KEYS', KEYS[5] .. dead .. '*') == 0 then redis.call('ZREM', KEYS[1], dead) end
  end
end`;
/** ARGV: how many, the heartbeat of the dead or "". Result: their texts. */
const FETCH = `${HEARTBEAT}${MAINTENANCE}
local ids = {}
for i = 1, ARGV[3] do
  local id = redis.call('LPOP', KEYS[2])
  if not id then break end
  redis.call('SADD', KEYS[4], id)
  ids[i] = id
end
if #ids == 0 then return {} end
return redis.call('HMGET', KEYS[3], unpack(ids))`;
/** ARGV: the id. */
const ACK = `${HEARTBEAT}
if redis.call('SREM', KEYS[4], ARGV[3]) > 0 then redis.call('HDEL', KEYS[3], ARGV[3]) end`;
/** ARGV: ids. */
const REQUEUE = `${HEARTBEAT}
for i = 3, #ARGV do
  if redis.call('SREM', KEYS[4], ARGV[i]) > 0 then redis.call('RPUSH', KEYS[2], ARGV[i]) end
end`;

/** A peer on Redis. */
export class PythonRedisPeer implements PythonPeer {
  readonly #client: Redis;
  readonly #brokerId = crypto.randomUUID();
  /** The ids that it holds, by queue. */
  readonly #held = new Map<string, Set<string>>();
  #isClosing = false;

  readonly #heartbeatTimeout: number | undefined;

  private constructor(client: Redis, heartbeatTimeout: number | undefined) {
    this.#client = client;
    this.#heartbeatTimeout = heartbeatTimeout;
  }

  /**
   * Connects.
   *
   * @param url Where Redis is.
   * @param heartbeatTimeout Milliseconds after which it finds others dead; without it, it never
   *   looks for them.
   */
  static async connect(url: string, heartbeatTimeout?: number): Promise<PythonRedisPeer> {
    const client = new Redis(url, {
      lazyConnect: true,
      commandTimeout: TIMEOUT,
      connectTimeout: TIMEOUT,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    client.on("error", () => {}); // commands fail with it
    try {
      await client.connect();
    } catch (error) {
      client.disconnect();
      throw error;
    }
    return new PythonRedisPeer(client, heartbeatTimeout);
  }

  async enqueue(message: PythonMessage): Promise<void> {
    const id = crypto.randomUUID();
    const options = { ...message.options, redis_message_id: id };
    await this.#run(ENQUEUE, message.queue_name, id, JSON.stringify({ ...message, options }));
  }

  async consume(
    queueName: string,
    prefetch: number,
    take: (delivery: PythonDelivery) => void,
  ): Promise<void> {
    const held = new Set<string>();
    this.#held.set(queueName, held);
    while (!this.#isClosing) {
      const free = prefetch - held.size;
      const texts = free > 0
        ? await this.#run(FETCH, queueName, free, this.#limit()) as (string | null)[]
        : [];
      for (const text of texts) {
        if (text === null) continue;
        const message: PythonMessage = JSON.parse(text);
        const id = message.options["redis_message_id"] as string;
        held.add(id);
        const ack = async () => {
          await this.#run(ACK, queueName, id);
          held.delete(id);
        };
        take({ message, ack });
      }
      if (texts.length === 0) await delay(INTERVAL);
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await delay(INTERVAL); // a fetch may be under way
    for (const [queueName, held] of this.#held) {
      if (held.size > 0) await this.#run(REQUEUE, queueName, ...held);
    }
    this.#client.disconnect();
  }

  abandon(): void {
    this.#isClosing = true;
    this.#client.disconnect();
  }

  /** Heartbeat of those that maintenance finds dead; "" for none. */
  #limit(): number | "" {
    const timeout = this.#heartbeatTimeout;
    if (timeout === undefined || Math.random() >= MAINTENANCE_CHANCE) return "";
    return Date.now() - timeout;
  }

  #run(script: string, queueName: string, ...args: (string | number)[]): Promise<unknown> {
    const keys = [
      `${NAMESPACE}:__heartbeats__`,
      `${NAMESPACE}:${queueName}`,
      `${NAMESPACE}:${queueName}.msgs`,
      `${NAMESPACE}:__acks__.${this.#brokerId}.${queueName}`,
      `${NAMESPACE}:__acks__.`,
    ];
    return this.#client.eval(script, keys.length, ...keys, Date.now(), this.#brokerId, ...args);
  }
}
