import type { RateLimiterBackend } from "@dq/dramatiq";
import type { TcpProxy } from "../support/servers/proxy.ts";
import type { Harness, RulesOf } from "./rules.ts";

/** Address at which another process finds the storage of a backend. */
export interface BackendAddress {
  readonly kind: "redis" | "memcached" | "sqlite";
  /** A URL, host and port, or a path. */
  readonly address: string;
}

/** A backend, and the way on which its storage can be cut off. */
export interface ProxiedBackend {
  readonly backend: RateLimiterBackend;
  readonly proxy: TcpProxy;
}

/** Needs of the suite: what it has to know of a backend to test it. */
export interface RateLimiterBackendHarness extends Harness {
  /** Makes a backend, which the suite closes. All share one storage. */
  open(): RateLimiterBackend | Promise<RateLimiterBackend>;

  /** Makes the storage forget a counter, as it does when its time is over. */
  forget(key: string): Promise<void>;

  /** Removes the claim of the worker that sends the callbacks of a group. */
  endClaim(group: string): Promise<void>;

  /** Address at which other processes find the storage. */
  readonly address?: BackendAddress;

  /** Kills the server and starts it again. */
  restart?(): Promise<void>;

  /** Makes a backend that reaches the storage through a proxy. The suite closes both. */
  openProxied?(): Promise<ProxiedBackend>;

  /** Waits until a backend has set up all that it has to, to be told that a barrier is cleared. */
  untilWaiting?(): Promise<void>;
}

/** An optional ability of a harness. */
export type Ability = "address" | "openProxied" | "restart" | "untilWaiting";

/** Rules by the key under which a harness can skip them. */
export type Rules = RulesOf<Fixture, Ability>;

/** Fixture of one check: backends, and a key of its own. */
export class Fixture implements AsyncDisposable {
  readonly harness: RateLimiterBackendHarness;
  /** A key that no other test has; others can be made from it. */
  readonly key: string = `conformance-${crypto.randomUUID()}`;
  readonly #opened: AsyncDisposable[] = [];

  constructor(harness: RateLimiterBackendHarness) {
    this.harness = harness;
  }

  /** Makes a backend. A second one shares the storage of the first. */
  async open(): Promise<RateLimiterBackend> {
    const backend = await this.harness.open();
    this.#opened.push(backend);
    return backend;
  }

  /** Makes a backend that reaches the storage through a proxy. */
  async openProxied(): Promise<ProxiedBackend> {
    const proxied = await this.harness.openProxied!();
    this.#opened.push(proxied.backend, proxied.proxy);
    return proxied;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#opened) await one[Symbol.asyncDispose]();
  }
}
