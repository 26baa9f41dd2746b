/**
 * An actor that kills its worker, and one that does no harm.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import {
  actor,
  type Broker,
  type BrokerOptions,
  defaultMiddleware,
  RabbitmqBroker,
  RedisBroker,
  RedisControlStore,
  SqliteBroker,
} from "../../../mod.ts";

/** Arguments of the program. */
export interface PoisonWorkerArguments {
  readonly kind: "redis" | "sqlite" | "rabbitmq";
  /** Address of the server, or path of the file. */
  readonly url: string;
  /** Address of a Redis for control, where the broker has no store of its own. */
  readonly controlUrl?: string;
  /** Milliseconds after which a silent worker counts as dead. */
  readonly heartbeatTimeout: number;
  readonly executor: "inline" | "thread";
  readonly concurrency: number;
}

const VARIABLE = "POISON_WORKER";

/** Makes the broker of a fleet, with its actors. */
export function openBroker(
  { kind, url, controlUrl, heartbeatTimeout }: Omit<
    PoisonWorkerArguments,
    "executor" | "concurrency"
  >,
): { broker: Broker; innocent: Innocent; killer: Killer } {
  const middleware: BrokerOptions = { middleware: defaultMiddleware() };
  const broker = kind === "redis"
    ? new RedisBroker({ url, heartbeatTimeout, maintenanceInterval: 200, ...middleware })
    : kind === "sqlite"
    ? new SqliteBroker({ path: url, heartbeatTimeout, heartbeatInterval: 100, ...middleware })
    : new RabbitmqBroker({
      url,
      control: new RedisControlStore({ url: controlUrl! }),
      ...middleware,
    });
  const innocent = makeInnocent(broker);
  const killer = makeKiller(broker);
  return { broker, innocent, killer };
}

type Innocent = ReturnType<typeof makeInnocent>;
type Killer = ReturnType<typeof makeKiller>;

function makeInnocent(broker: Broker) {
  return actor(async (_n: number, ms: number) => void await pause(ms), {
    broker,
    actorName: "innocent",
  });
}

/** Kills the whole process, also from a thread. */
function makeKiller(broker: Broker) {
  return actor(() => void process.kill(process.pid, "SIGKILL"), { broker, actorName: "killer" });
}

const variable = process.env[VARIABLE];
/** Settings passed to this process, if it is a worker. */
export const told: PoisonWorkerArguments | undefined = variable === undefined
  ? undefined
  : JSON.parse(variable);
/** The broker of a worker, in its threads, too. */
export const broker: Broker | undefined = told && openBroker(told).broker;

/** Environment of a worker process, whose program is `worker.ts`. */
export function environmentOf(options: PoisonWorkerArguments): Record<string, string> {
  return { [VARIABLE]: JSON.stringify(options) };
}
