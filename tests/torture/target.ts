import type { RabbitmqBrokerOptions, RedisBrokerOptions, SqliteBrokerOptions } from "../../mod.ts";
import type { FaultKind } from "./faults.ts";
import type { ServerAddress } from "../support/servers/exchange.ts";

/** Programs that talk to the server: with this library, or as Python's dramatiq does. */
export type Program = "worker" | "python_worker" | "producer" | "python_producer";

/** True if a program runs messages. */
export function isWorker(program: Program): boolean {
  return program === "worker" || program === "python_worker";
}

/** A broker as a process is told of it. */
export type BrokerArguments =
  | { readonly kind: "redis"; readonly options: RedisBrokerOptions }
  | { readonly kind: "rabbitmq"; readonly options: RabbitmqBrokerOptions }
  | { readonly kind: "sqlite"; readonly options: SqliteBrokerOptions };

/** A server that messages are to survive. */
export interface Target extends AsyncDisposable, ServerAddress {
  /** Name for people. */
  readonly name: string;
  /** Fate in a restart, for a report. */
  readonly restart: string;
  /** The faults that it can have. @default All. */
  readonly faults?: readonly FaultKind[];
  /** False if programs in Python cannot use it. @default {true} */
  readonly isShared?: boolean;
  /** A folder that is there as long as it is. */
  readonly folder: string;

  /** The broker of a process that reaches it over a proxy. */
  brokerFor(program: Program, link: ServerAddress): BrokerArguments;

  /** Takes it down. */
  takeDown(): Promise<void>;

  /** Brings it back; it serves when this resolves. */
  bringBack(): Promise<void>;

  /**
   * Looks for messages, and for anything else that work leaves behind.
   *
   * @returns What should not be there, in words.
   */
  findLeftovers(): Promise<string[]>;
}
