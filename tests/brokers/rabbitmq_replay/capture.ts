/**
 * `tests/vectors/rabbitmq_broker.json` as it is written; see "Conventions" in the README beside it.
 *
 * @module
 */
import vectors from "../../vectors/rabbitmq_broker.json" with { type: "json" };

/** Settings of the broker of a scenario. */
export interface BrokerSettings {
  readonly confirm_delivery: boolean;
  readonly max_priority: number | null;
}

/** Call of dramatiq to its client, or what became of that. */
export interface AmqpCall {
  readonly method: string;
  readonly args?: Readonly<Record<string, unknown>>;
  readonly raised?: string;
}

/** A queue as `rabbitmqctl list_queues` shows it. */
export interface ListedQueue {
  readonly name: string;
  readonly durable: boolean;
  readonly auto_delete: boolean;
  readonly exclusive: boolean;
  readonly type: string;
  readonly arguments: Readonly<Record<string, { type: string; value: unknown }>>;
  readonly policy: string;
}

/** A message as `basic_get` gives it. */
export interface GotMessage {
  readonly method: {
    readonly exchange: string;
    readonly routing_key: string;
    readonly redelivered: boolean;
  };
  readonly properties: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** Observations of one step; what is missing was not looked at. */
export interface Observed {
  readonly returned?: unknown;
  readonly raised?: { readonly type: string; readonly message: string };
  readonly amqp_calls?: readonly AmqpCall[];
  readonly hook_calls?: { readonly before_enqueue: number; readonly after_enqueue: number };
  readonly list_queues?: readonly ListedQueue[];
  /** Per queue, how many are ready and how many are unacknowledged. */
  readonly ready_unacked?: Readonly<Record<string, readonly [number, number]>>;
  readonly message?: GotMessage;
  /** First arguments of the messages, as they were delivered. */
  readonly order?: readonly unknown[];
  readonly consumers?: readonly unknown[];
}

/** One call, and what was observed then. */
export interface Step extends Observed {
  readonly step: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

/** A scenario. */
export interface Scenario {
  readonly scenario: string;
  readonly kind: "stepped" | "live";
  readonly about: string;
  readonly brokers: Readonly<Record<string, BrokerSettings>>;
  readonly steps: readonly Step[];
}

/** Outcome of a queue that was declared again with arguments of other types or values. */
export interface Redeclaration {
  readonly queue: string;
  readonly arguments: Readonly<Record<string, string | number>>;
  readonly accepted: boolean;
  readonly reply_code?: number;
}

/** All scenarios, in the order of the file. */
export const SCENARIOS: readonly Scenario[] = vectors.scenarios as unknown as Scenario[];

/** Redeclarations that RabbitMQ takes for the same queue. */
export const REDECLARATIONS: readonly Redeclaration[] = vectors
  .argument_equivalence as unknown as Redeclaration[];

/** Values that Python takes for `max_priority`. */
export const MAX_PRIORITIES: readonly { max_priority: number; raised?: string }[] =
  vectors.max_priority_values;

/** Time at which the frozen clock of the stepped scenarios began. */
export const BASE: number = vectors.base_ms;
