import type { RateLimiterBackend } from "@dq/dramatiq";
import type { Harness, RulesOf } from "./rules.ts";

/** Where another process finds the storage of a backend. */
export interface BackendAddress {
  readonly kind: "redis" | "memcached";
  /** A URL, or host and port. */
  readonly address: string;
}

/** What the suite needs to know of a backend to test it. */
export interface RateLimiterBackendHarness extends Harness {
  /** Makes a backend, which the suite closes. All share one storage. */
  open(): RateLimiterBackend | Promise<RateLimiterBackend>;

  /** Makes the storage forget a counter, as it does when its time is over. */
  forget(key: string): Promise<void>;

  /** Makes the storage forget that somebody is about to send the callbacks of a group. */
  endClaim(group: string): Promise<void>;

  /** Where other processes find the storage. */
  readonly address?: BackendAddress;

  /** Kills the server and starts it again. */
  restart?(): Promise<void>;

  /** Waits until a backend has set up all that it has to, to be told that a barrier is cleared. */
  untilWaiting?(): Promise<void>;
}

/** An optional ability of a harness. */
export type Ability = "address" | "restart" | "untilWaiting";

/** Rules by the key under which a harness can skip them. */
export type Rules = RulesOf<Stage, Ability>;

/** What one check works with: backends, and a key of its own. */
export class Stage implements AsyncDisposable {
  readonly harness: RateLimiterBackendHarness;
  /** A key that no other test has; others can be made from it. */
  readonly key: string = `conformance-${crypto.randomUUID()}`;
  readonly #backends: RateLimiterBackend[] = [];

  constructor(harness: RateLimiterBackendHarness) {
    this.harness = harness;
  }

  /** Makes a backend. A second one shares the storage of the first. */
  async open(): Promise<RateLimiterBackend> {
    const backend = await this.harness.open();
    this.#backends.push(backend);
    return backend;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const backend of this.#backends) await backend.close();
  }
}
