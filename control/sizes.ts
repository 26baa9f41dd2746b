import type { Broker } from "../core/broker.ts";
import { controlStoreOf } from "../core/cancellation.ts";
import type { ControlEntry } from "../core/control_store.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";

/** Options of `Control.setConcurrency`. */
export interface SetConcurrencyOptions {
  /** The id of a worker, as `Control.workers` lists it; `"*"` for all. @default {"*"} */
  worker?: string;
}

/** Key prefix of sizes. */
export const SIZE_PREFIX = "size/";
const ALL = "*";
const KNOWN_OPTIONS: KnownOptions<SetConcurrencyOptions> = { worker: true };
/** Milliseconds for which the size of one worker is kept: it ends with the worker. */
const WORKER_TTL = 30 * 86_400_000;

/**
 * Stores how many messages workers run at once.
 *
 * @throws {TypeError} If the broker has no control store, or an option is of the wrong type.
 * @throws {RangeError} If it is not a whole number above 0.
 */
export async function setConcurrency(
  broker: Broker,
  concurrency: number | null,
  options: SetConcurrencyOptions,
): Promise<void> {
  const store = controlStoreOf(broker, "set the concurrency");
  assertKnownOptions("setConcurrency", options, KNOWN_OPTIONS);
  const { worker = ALL } = options;
  if (typeof worker !== "string" || worker === "") {
    throw new TypeError(
      `Cannot set the concurrency of worker ${JSON.stringify(worker)}: it needs an id`,
    );
  }
  if (concurrency !== null && !(Number.isSafeInteger(concurrency) && concurrency >= 1)) {
    throw new RangeError(
      `Cannot run ${concurrency} messages at once: it must be a whole number above 0`,
    );
  }
  const value = concurrency === null ? null : { concurrency };
  const ttl = worker === ALL || value === null ? {} : { ttl: WORKER_TTL };
  await store.change([{ key: SIZE_PREFIX + worker, value, ...ttl }]);
}

/** The sizes that one worker has been told of. */
export class Sizes {
  readonly #worker: string;
  readonly #known: Map<string, number> = new Map();

  /** @param worker The id of the worker. */
  constructor(worker: string) {
    this.#worker = worker;
  }

  /** The concurrency that it is to have; `undefined` for its own. */
  get concurrency(): number | undefined {
    return this.#known.get(this.#worker) ?? this.#known.get(ALL);
  }

  /** Notes a change of the control store. */
  apply({ key, value }: ControlEntry): void {
    const { concurrency } = (value ?? {}) as { concurrency?: unknown };
    const isSize = Number.isSafeInteger(concurrency) && (concurrency as number) >= 1;
    const worker = key.slice(SIZE_PREFIX.length);
    if (isSize) this.#known.set(worker, concurrency as number);
    else this.#known.delete(worker);
  }
}
