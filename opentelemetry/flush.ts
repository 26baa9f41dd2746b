import type { Broker } from "../core/broker.ts";
import { pause } from "../platform/clock.ts";

/** Milliseconds for the last export: a thread that stops gets two seconds in all. */
const LONGEST_FLUSH = 1_500;

/** A provider of an SDK. */
interface Flushable {
  forceFlush?: () => Promise<void>;
}

/**
 * Has providers of an SDK export what they hold, but waits no longer than a stop allows. The API has no
 * such method; all SDKs have.
 *
 * @param broker Its clock counts.
 * @param providers Providers of tracers or meters.
 * @throws What an exporter throws; it is logged as the error of a hook.
 */
export function flush(broker: Broker, providers: readonly object[]): void | Promise<void> {
  const flushable = (providers as readonly Flushable[])
    .filter(({ forceFlush }) => forceFlush !== undefined);
  if (flushable.length > 0) return flushAll(broker, flushable);
}

async function flushAll(broker: Broker, providers: readonly Flushable[]): Promise<void> {
  const end = new AbortController();
  const all = Promise.all(providers.map(async (provider) => await provider.forceFlush!()));
  try {
    await Promise.race([all, pause(broker.clock, LONGEST_FLUSH, end.signal)]);
  } finally {
    end.abort();
    all.catch(() => {}); // too late
  }
}
