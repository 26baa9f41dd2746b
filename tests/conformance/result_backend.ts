/**
 * The rules that every result backend follows. To test one, describe it and call
 * {@linkcode resultBackendConformance} in its test file:
 *
 * ```ts ignore
 * resultBackendConformance({
 *   name: "MyBackend",
 *   create: (options) => new MyBackend({ url, ...options }),
 *   putRaw: (key, data) => client.set(key, data),
 *   skips: { seenByOthers: "it lives in the memory of one process" },
 * });
 * ```
 *
 * Each test has a namespace of its own, so that many can share a server. None sleeps, and
 * none asserts how long something took, only what came first.
 *
 * @module
 */
import type { Encoded, ResultBackend, ResultBackendOptions } from "@dq/dramatiq";
import { keeping } from "./result_backend_keeping.ts";
import { waiting } from "./result_backend_waiting.ts";
import { declareTests, type Harness, type RulesOf } from "./rules.ts";

/** Needs of the suite: what it has to know of a backend to test it. */
export interface ResultBackendHarness extends Harness {
  /** Makes a backend. Two with the same options share what they store. The suite closes it. */
  create(options: ResultBackendOptions): ResultBackend;

  /** Puts data under a key as a peer with a bug would, in the form that peers use. */
  putRaw?(key: string, data: Encoded): Promise<unknown>;

  /** Kills the server and starts it again; it may forget everything. */
  restart?(): Promise<void>;
}

/** Rules by the key under which a harness can skip them. */
export type ResultRules = RulesOf<ResultFixture, "putRaw" | "restart">;

/** Fixture of one check: backends and messages of its own. */
class ResultFixture implements AsyncDisposable {
  readonly harness: ResultBackendHarness;
  readonly namespace: string = `conformance-${crypto.randomUUID()}`;
  readonly #backends: ResultBackend[] = [];

  constructor(harness: ResultBackendHarness) {
    this.harness = harness;
  }

  /** Makes a backend. A second one shares the storage of the first. */
  open(options: ResultBackendOptions = {}): ResultBackend {
    const backend = this.harness.create({ namespace: this.namespace, ...options });
    this.#backends.push(backend);
    return backend;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const backend of this.#backends) await backend.close();
  }
}

const rules: ResultRules = { ...keeping, ...waiting };

/**
 * Declares the tests of all rules for one result backend.
 *
 * @param harness The backend, and how to look at it from outside.
 * @throws {TypeError} If it skips a rule that does not exist, or lacks what a rule needs
 *   and does not skip it.
 */
export function resultBackendConformance(harness: ResultBackendHarness): void {
  declareTests(harness, rules, () => new ResultFixture(harness));
}
