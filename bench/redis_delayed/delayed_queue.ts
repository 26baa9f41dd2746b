import { setTimeout as delay } from "node:timers/promises";
import type { RedisServer } from "../../tests/support/servers/redis.ts";

/** Milliseconds between two looks. */
const INTERVAL = 20;

/** Result of sorting. */
export interface Sorting {
  /** When all was sorted, in milliseconds since the epoch. */
  readonly sortedAt: number;
  /** The most messages that were seen unsorted. */
  readonly mostUnsorted: number;
}

/** The queue `delayed` as Redis has it, looked at from outside. */
export class DelayedQueue {
  readonly #redis: RedisServer;
  readonly #prefix: string;

  /**
   * @param redis The server.
   * @param namespace That of the broker.
   */
  constructor(redis: RedisServer, namespace: string) {
    this.#redis = redis;
    this.#prefix = `${namespace}:delayed`;
  }

  /** @returns How many messages wait for their eta, sorted or not. */
  async delayed(): Promise<number> {
    return await this.#count("HLEN", ".DQ.msgs");
  }

  /** @returns How many messages are on the queue, or run. */
  async ready(): Promise<number> {
    return await this.#count("HLEN", ".msgs");
  }

  /** @returns How many messages lie on the delay queue as producers put them there. */
  async unsorted(): Promise<number> {
    return await this.#count("LLEN", ".DQ");
  }

  /** @returns How many messages are sorted by eta. */
  async sorted(): Promise<number> {
    return await this.#count("ZCARD", ".DQ.etas");
  }

  /**
   * Waits until nothing lies unsorted.
   *
   * @param least How many messages there are at least.
   * @param isSent Whether all have been sent.
   */
  async watchSorting(least: number, isSent: () => boolean): Promise<Sorting> {
    for (let mostUnsorted = 0;; await delay(INTERVAL)) {
      const isLast = isSent();
      const unsorted = await this.unsorted();
      mostUnsorted = Math.max(mostUnsorted, unsorted);
      if (!isLast || unsorted > 0 || await this.sorted() < least) continue;
      return { sortedAt: Date.now(), mostUnsorted };
    }
  }

  /**
   * Waits until only so many are left, and nothing runs.
   *
   * @param deadline When not to wait any longer, in milliseconds since the epoch.
   */
  async watchRunning(left: number, deadline: number): Promise<void> {
    while (Date.now() < deadline) {
      if (await this.delayed() <= left && await this.ready() === 0) return;
      await delay(INTERVAL);
    }
  }

  async #count(command: string, suffix: string): Promise<number> {
    return await this.#redis.command(command, `${this.#prefix}${suffix}`) as number;
  }
}

/** @returns What Redis has in its memory, in bytes. */
export async function usedMemory(redis: RedisServer): Promise<number> {
  const text = await redis.command("INFO", "memory") as string;
  return Number(/used_memory:(\d+)/.exec(text)![1]);
}
