/**
 * This library as a contestant of bench/redis.ts.
 *
 * @module
 */
import { Redis } from "ioredis";
import { RedisBroker } from "../../mod.ts";
import { argumentMaker } from "../contest/arguments.ts";
import { OurContestant } from "../contest/ours.ts";
import type { Assignment, SendMode } from "./assignment.ts";
import type { RedisContestant } from "./contestant.ts";
import { measureContestant } from "./measure_contestant.ts";
import { readStored } from "./stored.ts";

const QUEUE = "bench";

class OurRedisContestant extends OurContestant<SendMode> implements RedisContestant {
  readonly #broker: RedisBroker;
  readonly #redis: Redis;

  constructor({ task, server, size }: Assignment) {
    const open = () => new RedisBroker({ connection: { ...server } });
    const broker = open();
    super(QUEUE, broker, task === "pickUp" ? open() : broker, argumentMaker(size));
    this.#broker = broker;
    this.#redis = new Redis(server);
  }

  stored(): Promise<number[]> {
    return readStored(this.#redis, `dramatiq:${QUEUE}`, `dramatiq:${QUEUE}.msgs`);
  }

  async left(): Promise<number> {
    const counts = await this.#broker.getQueueMessageCounts(QUEUE);
    return counts.ready + counts.delayed + counts.unacknowledged + counts.dead;
  }

  override async close(): Promise<void> {
    await super.close();
    this.#redis.disconnect();
  }
}

await measureContestant((assignment) => new OurRedisContestant(assignment));
