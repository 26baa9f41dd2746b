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
import { deadline } from "@std/async";
import type { Encoded, ResultBackend, ResultBackendOptions } from "@dq/dramatiq";
import { skip, test } from "../support/test.ts";
import { keeping } from "./result_backend_keeping.ts";
import { waiting } from "./result_backend_waiting.ts";

/** What the suite needs to know of a backend to test it. */
export interface ResultBackendHarness {
  /** The class under test; each test's name begins with it. */
  readonly name: string;

  /** Makes a backend. Two with the same options share what they store. The suite closes it. */
  create(options: ResultBackendOptions): ResultBackend;

  /** Puts data under a key as a peer with a bug would, in the form that peers use. */
  putRaw?(key: string, data: Encoded): Promise<unknown>;

  /** Kills the server and starts it again; it may forget everything. */
  restart?(): Promise<void>;

  /** Rules that this backend cannot follow, by key, each with the reason. */
  readonly skips?: Readonly<Record<string, string>>;
}

/** One rule that every result backend follows. */
export interface ResultRule {
  /** The symbol, then the rule: the name of the test. */
  readonly rule: string;
  /** What the harness has to be able to do. Without it the rule must be skipped. */
  readonly needs?: "putRaw" | "restart";
  /** Throws if the backend breaks the rule. */
  check(stage: ResultStage): Promise<void>;
}

/** Rules by the key under which a harness can skip them. */
export type ResultRules = Readonly<Record<string, ResultRule>>;

/** What one check may take. Far above any honest run: it is there to name what hangs. */
const LONGEST_CHECK = 60_000;

/** What one check works with: backends and messages of its own. */
export class ResultStage implements AsyncDisposable {
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
  const { name, skips = {} } = harness;
  const strange = Object.keys(skips).filter((key) => !Object.hasOwn(rules, key));
  if (strange.length > 0) {
    throw new TypeError(`Cannot test ${name}: it skips rules that are unknown: ${strange}`);
  }
  for (const [key, { rule, needs, check }] of Object.entries(rules)) {
    const title = `${name}: ${rule}`;
    const reason = skips[key];
    if (reason !== undefined) {
      skip(title, reason);
      continue;
    }
    if (needs !== undefined && harness[needs] === undefined) {
      throw new TypeError(
        `Cannot test ${name}: rule ${key} needs ${needs}; give it, or skip the rule`,
      );
    }
    test(title, async () => {
      await using stage = new ResultStage(harness);
      await deadline(check(stage), LONGEST_CHECK);
    });
  }
}
