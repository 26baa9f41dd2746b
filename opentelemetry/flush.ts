import type { Broker } from "../core/broker.ts";
import { pause } from "../platform/clock.ts";

/** Maximum of milliseconds for the last export: a stopping thread has two seconds in total. */
const LONGEST_FLUSH = 1_500;

/** A provider of an SDK. The API does not define this method, but all SDKs have it. */
interface Flushable {
  forceFlush?: () => Promise<void>;
}

/**
 * Flushes the providers of an SDK, for a limited time. A stopping worker flushes twice; a provider
 * that has timed out is not flushed again.
 */
export class Flush {
  /** Providers whose flush has timed out and not ended. */
  readonly #hanging: WeakSet<object> = new WeakSet();

  /**
   * Flushes providers.
   *
   * @param broker Its clock measures the timeout.
   * @param providers Providers of tracers or meters.
   * @throws Errors of exporters, which are logged as errors of the hook.
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
      all.catch(() => {}); // errors after the timeout
      for (const provider of busy) this.#hanging.add(provider);
    }
  }
}
