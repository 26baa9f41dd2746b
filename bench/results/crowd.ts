import type { ResultBackend } from "@dq/dramatiq";

/** A message whose result is waited for. */
export interface Owner {
  readonly queueName: string;
  readonly actorName: string;
  readonly messageId: string;
}

/** @returns A message of its own. */
export function newOwner(): Owner {
  return { queueName: "default", actorName: "bench", messageId: crypto.randomUUID() };
}

/** One who waits, and when he was told. */
interface Waiting {
  readonly owner: Owner;
  /** By `performance.now()`. */
  readonly told: Promise<number>;
}

/** Many who wait on one backend, each for a result of his own. */
export class Crowd {
  readonly #backend: ResultBackend;
  readonly #waiting: Waiting[] = [];

  /**
   * Sends them waiting.
   *
   * @param backend Where.
   * @param size How many.
   */
  constructor(backend: ResultBackend, size: number) {
    this.#backend = backend;
    while (this.#waiting.length < size) this.#add();
  }

  /**
   * Stores the result of one of them. Somebody else takes his place.
   *
   * @param store Stores it.
   * @param pause Milliseconds to wait at most before that, by chance: else it would follow
   *   the last look of those who look again and again.
   * @returns Milliseconds from before that to when he was told.
   */
  async tell(store: (owner: Owner) => Promise<unknown>, pause = 0): Promise<number> {
    const index = Math.floor(Math.random() * this.#waiting.length);
    const [{ owner, told }] = this.#waiting.splice(index, 1) as [Waiting];
    this.#add();
    await this.#backend.getResult(owner).catch(() => {}); // the newcomer has been looked after
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * pause));
    const start = performance.now();
    await store(owner);
    return await told - start;
  }

  /** Ends with the backend. */
  async end(): Promise<void> {
    const ended = Promise.allSettled(this.#waiting.map(({ told }) => told));
    await this.#backend.close();
    await ended;
  }

  #add(): void {
    const owner = newOwner();
    const result = this.#backend.getResult(owner, { block: true, timeout: Infinity });
    const told = result.then(() => performance.now());
    told.catch(() => {}); // they end with the backend
    this.#waiting.push({ owner, told });
  }
}
