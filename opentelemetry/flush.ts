import type { Broker } from "../core/broker.ts";
import { pause } from "../platform/clock.ts";

/** Milliseconds for the last export: a thread that stops gets two seconds in all. */
const LONGEST_FLUSH = 1_500;

/** A provider of an SDK. */
interface Flushable {
  forceFlush?: () => Promise<void>;
}

/**
 * Has providers of an SDK export what they hold, but waits no longer than a stop allows, and not a second
 * time for one that does not answer: a worker that stops asks twice. The API has no such method; all
 * SDKs have.
 */
export class Flush {
  /** Providers that are still busy after the time has run out. */
  readonly #hanging: WeakSet<object> = new WeakSet();

  /**
   * Exports.
   *
   * @param broker Its clock counts.
   * @param providers Providers of tracers or meters.
   * @throws What an exporter throws; it is logged as the error of a hook.
   */
  run(broker: Broker, providers: readonly object[]): void | Promise<void> {
    const flushable = (providers as readonly Flushable[])
      .filter((one) => one.forceFlush !== undefined && !this.#hanging.has(one));
    if (flushable.length > 0) return this.#runAll(broker, flushable);
  }

  async #runAll(broker: Broker, providers: readonly Flushable[]): Promise<void> {
    const end = new AbortController();
    const busy = new Set(providers);
    const all = Promise.all(providers.map(async (provider) => {
      try {
        await provider.forceFlush!();
      } finally {
        busy.delete(provider);
        this.#hanging.delete(provider);
      }
    }));
    try {
      await Promise.race([all, pause(broker.clock, LONGEST_FLUSH, end.signal)]);
    } finally {
      end.abort();
      all.catch(() => {}); // too late
      for (const provider of busy) this.#hanging.add(provider);
    }
  }
}
