import type { Encoded } from "../../encoders/encoder.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { ResultBackend, type ResultBackendOptions } from "../backend.ts";

/** A result in the memory of a {@linkcode StubResultBackend}. */
interface Entry {
  readonly data: Encoded;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** Number of entries from which on expired ones are searched for. */
const MIN_PURGE_SIZE = 1_000;

const KNOWN_OPTIONS: KnownOptions<ResultBackendOptions> = {
  namespace: true,
  encoder: "Encoder",
  useNamespacePrefixKeys: "boolean",
  clock: "Clock",
};

/**
 * Stores results in the memory of this process: for tests, and for programs in which the worker runs in
 * the same process. Results are encoded, so that the encoder refuses what it would refuse on a server.
 *
 * The root entry exports it as `StubResultBackend`.
 *
 * @example Get the result of an actor in a test
 * ```ts
 * import { actor, Results, StubBroker, StubResultBackend, Worker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * const backend = new StubResultBackend();
 * broker.addMiddleware(new Results({ backend }));
 * const add = actor((a: number, b: number) => a + b, {
 *   broker,
 *   actorName: "add",
 *   storeResults: true,
 * });
 *
 * await using worker = new Worker(broker);
 * await worker.start();
 * const message = await add.send(1, 2);
 * const sum = await message.getResult({ backend, block: true });
 * if (sum !== 3) throw new Error(`${sum}`);
 * ```
 */
export class StubResultBackend extends ResultBackend {
  readonly #entries: Map<string, Entry> = new Map();
  /** Number of entries at which expired ones are dropped next. */
  #purgeAt = MIN_PURGE_SIZE;

  /**
   * Makes an empty backend.
   *
   * @param options Keys, encoder, clock.
   */
  constructor(options: ResultBackendOptions = {}) {
    assertKnownOptions("StubResultBackend", options, KNOWN_OPTIONS);
    super(options);
    this.isNotified = true; // `storeResult` notifies, and no other process can store
  }

  /** Reads many keys. */
  protected override fetch(keys: readonly string[]): Promise<(Encoded | undefined)[]> {
    const now = this.clock.now();
    return Promise.resolve(keys.map((key) => {
      const entry = this.#entries.get(key);
      return entry !== undefined && entry.expiresAt > now ? entry.data : undefined;
    }));
  }

  /** Stores data under a key. */
  protected override store(key: string, data: Encoded, ttl: number): Promise<void> {
    this.#entries.set(key, { data, expiresAt: this.clock.now() + ttl });
    if (this.#entries.size > this.#purgeAt) this.#purge();
    return Promise.resolve();
  }

  #purge(): void {
    const now = this.clock.now();
    for (const [key, { expiresAt }] of this.#entries) {
      if (expiresAt <= now) this.#entries.delete(key);
    }
    this.#purgeAt = Math.max(MIN_PURGE_SIZE, 2 * this.#entries.size);
  }
}
