import type { MemcachedConnection } from "../../clients/memcached/connection.ts";
import { storing } from "./memcached_storing.ts";

/**
 * Leases in Memcached. Each takes one of a fixed number of places, which are keys: `key:0`,
 * `key:1` and so on. The value of a place is its holder; it expires by the clock of the server.
 * All places are on the server of the key.
 */
export class MemcachedLeases {
  readonly #connection: MemcachedConnection;

  /**
   * Stores the connection.
   *
   * @param connection The connection.
   */
  constructor(connection: MemcachedConnection) {
    this.#connection = connection;
  }

  /** Takes, renews or ends a lease, as `RateLimiterBackend.lease`. */
  async lease(key: string, holder: string, limit: number, ttl: number): Promise<boolean> {
    const places = Array.from({ length: limit }, (_, i) => `${key}:${i}`);
    const taken = await this.#connection.getMany(places, key);
    const own = [...taken].find(([, { value }]) => value.toString() === holder);
    if (ttl === 0) {
      if (own !== undefined) await this.#connection.deleteVersion(own[0], own[1].version, key);
      return false;
    }
    const options = { ttl: storing(ttl).ttl, near: key };
    // A place that has changed since was taken by another client.
    if (own !== undefined) {
      const [place, { version }] = own;
      if (await this.#connection.replace(place, holder, version, options)) return true;
    }
    for (const place of fromAnywhere(places)) {
      if (!taken.has(place) && await this.#connection.add(place, holder, options)) return true;
    }
    return false;
  }
}

/** Starts at a random place, so that concurrent callers rarely try the same one first. */
function fromAnywhere(places: readonly string[]): readonly string[] {
  const start = Math.floor(Math.random() * places.length);
  return [...places.slice(start), ...places.slice(0, start)];
}
