import type { Broker, RateLimiterBackend, ResultBackend } from "@dq/dramatiq";
import type { ServerName } from "../../support/servers/install.ts";

/** Servers that work together, of one kind and with certain settings: a column of the table. */
export interface Engine {
  /** Name for people, with the number of its nodes. */
  readonly name: string;
  /** Program that it is made of. */
  readonly program: ServerName;
  /** The settings of servers and clients that matter, for the docs. */
  readonly settings: string;
  /** True if nothing goes on before all servers are back: its clients want to hear of all. */
  readonly needsAll?: boolean;
  /** Starts it. */
  start(): Promise<Servers>;
}

/** An engine that runs. */
export interface Servers extends AsyncDisposable {
  /** Faults that can happen to it, in the order in which it does. */
  readonly faults: readonly ClusterFault[];
  /**
   * Opens what a trial uses.
   *
   * @param id What tells the trial from others.
   */
  open(id: string): Clients;
}

/** Fault of some of the servers: a row of the table. */
export interface ClusterFault {
  /** Name for people; the same name means the same for all engines. */
  readonly name: string;
  /** Why the servers themselves may lose what they had confirmed, if they may. */
  readonly mayLose?: string;
  /** Why the servers may forget results that they had confirmed, if they may. */
  readonly mayForget?: string;
  /** True if the short form of the gate leaves it out. @default {false} */
  readonly isLong?: boolean;
  /** Makes it happen. Resolves as soon as those servers that are left can serve again. */
  begin(): Promise<void>;
  /** Brings back the servers that are away. Resolves when all are in order. */
  end(): Promise<void>;
}

/** Clients with which one trial connects to the servers with. */
export interface Clients {
  /** Sends. */
  readonly sender: Broker;
  /** Works; may be the same. */
  readonly worker: Broker;
  /** Keeps results, unless the engine keeps none. */
  readonly results?: ResultBackend;
  /** Counts for limiters, unless the engine does not. */
  readonly limits?: RateLimiterBackend;
  /** Milliseconds that a send may take, if that is longer than what operations usually may. */
  readonly longestSend?: number;
  /** True if delayed messages need queues that are made for the first of them. @default {false} */
  readonly hasDelayQueues?: boolean;
  /** Key of the limit. */
  readonly limitKey?: string;
  /** Closes all of them. */
  close(): Promise<void>;
}
