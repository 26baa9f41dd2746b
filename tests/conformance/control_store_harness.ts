import { assertEquals } from "@std/assert";
import type { ControlStore } from "@dq/dramatiq";

import type { ControlJson } from "@dq/dramatiq/control";
import { FakeClock } from "../support/fake_clock.ts";
import type { TcpProxy } from "../support/servers/proxy.ts";
import { eventually } from "../support/servers/until.ts";
import type { Harness, RulesOf } from "./rules.ts";

/** Needs of the suite: what it has to know of a control store to test it. */
export interface ControlStoreHarness extends Harness {
  /**
   * Makes a store, which the suite closes. Those of one namespace share their entries, as those
   * of two processes do; all go by the clock.
   */
  open(namespace: string, clock: FakeClock): ControlStore;
  /** Makes a store that reaches its server through a proxy. The suite closes both. */
  openProxied?(namespace: string): Promise<{ store: ControlStore; proxy: TcpProxy }>;
  /** Makes the server forget all that it has. */
  flush?(): Promise<void>;
}

/** An optional ability of a harness. */
export type Ability = "openProxied" | "flush";

/** Rules by the key under which a harness can skip them. */
export type Rules = RulesOf<Fixture, Ability>;

/** Fixture of one check: stores that share entries of their own. */
export class Fixture implements AsyncDisposable {
  readonly harness: ControlStoreHarness;
  readonly namespace: string = `control-${crypto.randomUUID()}`;
  /** The time of all stores. Tests turn it; nothing that they wait for may depend on it. */
  readonly clock: FakeClock = new FakeClock();
  readonly #opened: AsyncDisposable[] = [];

  constructor(harness: ControlStoreHarness) {
    this.harness = harness;
  }

  /** Makes a store. A second one shares the entries of the first. */
  open(): ControlStore {
    const store = this.harness.open(this.namespace, this.clock);
    this.#opened.push(store);
    return store;
  }

  /** Makes a store behind a proxy. */
  async openProxied(): Promise<{ store: ControlStore; proxy: TcpProxy }> {
    const proxied = await this.harness.openProxied!(this.namespace);
    this.#opened.push(proxied.proxy, proxied.store);
    return proxied;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#opened.reverse()) await one[Symbol.asyncDispose]();
  }
}

/** Entries that a watcher knows of the entries of a store. */
export class Mirror implements Disposable {
  readonly entries: Map<string, ControlJson> = new Map();
  /** Number of times it has read everything. */
  reads = 0;
  readonly #store: ControlStore;
  readonly #prefix: string;
  readonly #watch: Disposable;

  constructor(store: ControlStore, prefix = "") {
    this.#store = store;
    this.#prefix = prefix;
    this.#watch = store.watch(prefix, {
      changed: ({ key, value }) => {
        if (value === null) this.entries.delete(key);
        else this.entries.set(key, value);
      },
      reset: () => void this.read().catch(() => {}),
    });
  }

  /** Reads everything. */
  async read(): Promise<void> {
    const { entries } = await this.#store.read(this.#prefix);
    this.reads += 1;
    this.entries.clear();
    for (const { key, value } of entries) this.entries.set(key, value);
  }

  /** Waits until it knows nothing else than this. */
  async becomes(expected: Readonly<Record<string, ControlJson>>): Promise<void> {
    const wanted = JSON.stringify(Object.entries(expected).toSorted());
    const known = () => JSON.stringify([...this.entries].toSorted());
    await eventually("hear of the changes", () => Promise.resolve(known() === wanted));
    assertEquals(Object.fromEntries(this.entries), expected);
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }
}
