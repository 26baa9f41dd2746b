import type { Broker } from "../core/broker.ts";
import { controlStoreOf } from "../core/cancellation.ts";
import type { ControlEntry } from "../core/control_store.ts";
import { checkKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { showValue } from "../platform/show_value.ts";

/** Options of `Control.setConcurrency`. */
export interface SetConcurrencyOptions {
  /** The id of a worker, as `Control.workers` lists it; `"*"` for all. @default {"*"} */
  worker?: string;
}

/** Key prefix of entries that set the concurrency of workers. */
export const SIZE_PREFIX = "size/";
const ALL = "*";
const KNOWN_OPTIONS: KnownOptions<SetConcurrencyOptions> = { worker: true };
/** Milliseconds for which the concurrency of a worker is kept. Ids of workers are not reused. */
const WORKER_TTL = 30 * 86_400_000;

/**
 * Stores the concurrency of one worker, or of all.
 *
 * @throws {TypeError} If the broker has no control store, or an option is of the wrong type.
 * @throws {RangeError} If the concurrency is not a whole number above 0.
 */
export async function setConcurrency(
  broker: Broker,
  concurrency: number | null,
  options: SetConcurrencyOptions,
): Promise<void> {
  const store = controlStoreOf(broker, "set the concurrency");
  checkKnownOptions("set the concurrency", options, KNOWN_OPTIONS);
  const { worker = ALL } = options;
  if (typeof worker !== "string" || worker === "") {
    throw new TypeError(
      `Cannot set the concurrency of worker ${showValue(worker)}: it needs an id`,
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

/** The concurrency that the control store sets for one worker. */
export class Sizes {
  readonly #worker: string;
  readonly #known: Map<string, number> = new Map();

  /** @param worker The id of the worker. */
  constructor(worker: string) {
    this.#worker = worker;
  }

  /** The concurrency; `undefined` for the one that the worker was started with. */
  get concurrency(): number | undefined {
    return this.#known.get(this.#worker) ?? this.#known.get(ALL);
  }

  /** Applies a changed entry of the control store. */
  apply({ key, value }: ControlEntry): void {
    const { concurrency } = (value ?? {}) as { concurrency?: unknown };
    const isSize = Number.isSafeInteger(concurrency) && (concurrency as number) >= 1;
    const worker = key.slice(SIZE_PREFIX.length);
    if (isSize) this.#known.set(worker, concurrency as number);
    else this.#known.delete(worker);
  }
}
