/**
 * `tests/vectors/redis_broker.json` as it is written; see "Conventions" in the README beside it.
 *
 * @module
 */
import vectors from "../../vectors/redis_broker.json" with { type: "json" };
import type { Dump } from "./dump.ts";

/** Settings of the broker of a scenario. */
export interface BrokerSettings {
  readonly broker_id: string;
  readonly namespace: string;
  readonly heartbeat_timeout: number;
  readonly dead_message_ttl: number;
}

/** One call, and what was in the database afterwards. */
export interface Step {
  readonly step: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly returned?: unknown;
  readonly raised?: { readonly type: string; readonly message: string };
  readonly clock?: string;
  readonly keys: Dump | "unchanged";
}

/** A scenario. */
export interface Scenario {
  readonly scenario: string;
  readonly kind: "stepped" | "live";
  readonly about: string;
  readonly brokers: Readonly<Record<string, BrokerSettings>>;
  readonly messages: Readonly<Record<string, { readonly text: string }>>;
  readonly steps: readonly Step[];
}

/** All scenarios, in the order of the file. */
export const SCENARIOS: readonly Scenario[] = vectors.scenarios as unknown as Scenario[];

/** Time at which the frozen clock of the stepped scenarios began. */
export const BASE: number = vectors.base_ms;

/**
 * The time of a step.
 *
 * @param placeholder Such as `<ts+1000>`.
 * @returns Milliseconds since the epoch.
 */
export function timeOf(placeholder: string): number {
  const [, offset] = /^<ts\+([\d.]+)>$/.exec(placeholder) ?? [];
  if (offset === undefined) throw new TypeError(`Cannot read ${placeholder}: it is no time`);
  return BASE + Number(offset);
}

/** A database with the texts of messages in place of `$message:…`. */
export function withTexts({ messages }: Scenario, keys: Dump): Dump {
  return Object.fromEntries(
    Object.entries(keys).map(([name, key]) => {
      if (key.type !== "hash") return [name, key];
      const value = Object.fromEntries(
        Object.entries(key.value).map(([field, text]) => {
          const [, id] = /^\$message:(.+)$/.exec(text) ?? [];
          return [field, id === undefined ? text : messages[id]!.text];
        }),
      );
      return [name, { ...key, value }];
    }),
  );
}
