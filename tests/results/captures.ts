/** The parts of results.json that the replays read. */
import { type Tagged, untag } from "../support/vectors.ts";
import vectors from "../vectors/results.json" with { type: "json" };

/** Result of `get_result`. */
export interface Gotten {
  readonly value?: Tagged;
  readonly raises?: string;
  readonly message?: string;
  readonly orig_exc_type?: string;
  readonly orig_exc_msg?: string;
}

/** A value that was stored. */
export interface StoredValue {
  readonly label: string;
  readonly encoder: "json" | "pickle";
  readonly input: Tagged;
  readonly key: string;
  /** On Redis. */
  readonly type?: string;
  readonly elements?: readonly { readonly base64: string }[];
  readonly ttl_ms_asked?: number;
  /** On memcached. */
  readonly flags?: number;
  readonly base64?: string;
  readonly get_result: Gotten;
}

/** One call on Redis, and what stood under the key then. */
export interface Step extends Gotten {
  readonly step: string;
  readonly stored?: readonly string[] | null;
}

/** An exception that was stored. */
export interface StoredException {
  readonly label: string;
  readonly stored: { readonly base64: string };
  readonly get_result: Required<Omit<Gotten, "value">>;
}

/** A time to live on memcached. */
export interface MemcachedTtl {
  readonly result_ttl_ms: number;
  readonly ttl_s: number | null;
}

/** A message that went through the middleware. */
export interface MiddlewareCase {
  readonly label: string;
  readonly results_options?: Readonly<Record<string, unknown>>;
  readonly actor_options?: Readonly<Record<string, unknown>>;
  readonly message_options?: Readonly<Record<string, unknown>>;
  readonly stores: readonly { readonly value: Tagged; readonly ttl_ms: number }[];
  readonly stored: { readonly elements: readonly string[] } | null;
  readonly get_result?: Gotten;
}

/** The captures. */
export const captures = vectors as unknown as {
  readonly keys: {
    readonly cases: readonly {
      readonly namespace: string;
      readonly queue_name: string;
      readonly actor_name: string;
      readonly message_id: string;
      readonly key: string;
      readonly key_prefixed: string;
    }[];
  };
  readonly redis_values: readonly StoredValue[];
  readonly redis_steps: { readonly key: string; readonly steps: readonly Step[] };
  readonly redis_ttl: readonly {
    readonly result_ttl_ms: number;
    readonly pttl_just_after_at_most?: number;
    readonly stored?: null;
  }[];
  readonly redis_unencodable: readonly { readonly label: string }[];
  readonly exceptions: { readonly cases: readonly StoredException[] };
  readonly memcached: {
    readonly values: readonly StoredValue[];
    readonly prefixed_key: {
      readonly key: string;
      readonly flags: number;
      readonly base64: string;
    };
    readonly ttl: readonly MemcachedTtl[];
    readonly exception: { readonly stored: string; readonly get_result: Gotten };
    readonly odd_keys: readonly { label: string; prefixed: boolean; raises?: string }[];
  };
  readonly middleware: {
    readonly default_ttl_ms: number;
    readonly cases: readonly MiddlewareCase[];
  };
  readonly composition: Readonly<Record<"pipeline" | "group", Readonly<Record<string, unknown>>>>;
};

/** The id of every message in the captures of values and steps. */
const MESSAGE_ID = "6f6b1b5e-0000-4000-8000-000000000001";

/** The message whose result a captured value is. */
export function ownerOf(label: string) {
  return { queueName: "goldq", actorName: `value-${label}`, messageId: MESSAGE_ID };
}

/** The message of the captured steps. */
export const stepped = { queueName: "goldq", actorName: "twice", messageId: MESSAGE_ID };

/** The value nearest to a captured one: pickle, unlike JSON, has keys that are no texts. */
export function valueOf(tagged: Tagged, encoder: StoredValue["encoder"]): unknown {
  const pairs = (tagged as { $pairs?: [Tagged, Tagged][] } | null)?.$pairs;
  return encoder === "pickle" && pairs !== undefined
    ? new Map(pairs.map(([key, value]) => [untag(key), untag(value)]))
    : untag(tagged);
}

/** Values that JavaScript cannot make in the same JSON, by label, and why. */
export const NOT_MADE_HERE: ReadonlyMap<string, string> = new Map([
  ["big-int", "numbers beyond 2 ** 53 lose digits"],
  ["float-integral", "a number has no type: 2.0 is 2"],
]);

/** True if a value has the mark of a failure: Python stores it, and reads it as one. */
export function isMarked(value: unknown): boolean {
  return (value as { __t?: unknown } | null)?.__t === "dramatiq.results.Result";
}
