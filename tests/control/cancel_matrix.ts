/**
 * A queue with a message in each state in which it can be cancelled, for a worker that is killed.
 *
 * @module
 */
import {
  type Actor,
  actor,
  type Broker,
  defaultMiddleware,
  group,
  GroupCallbacks,
  type Message,
  type Middleware,
  pipeline,
  RabbitmqBroker,
  RedisBroker,
  RedisControlStore,
  RedisRateLimiterBackend,
  RedisResultBackend,
  Results,
  SqliteBroker,
  SqliteRateLimiterBackend,
  SqliteResultBackend,
} from "@dq/dramatiq";

/** Addresses of the servers of one case. */
export interface MatrixAddress {
  readonly namespace: string;
  readonly heartbeatTimeout: number;
  /** Redis, for the broker, or for the control store, results and limits beside `amqp`. */
  readonly redis?: string;
  readonly amqp?: string;
  /** SQLite file instead of a server. */
  readonly path?: string;
}

/** Queues of one case: of the worker that is killed, and one that only the next worker consumes. */
export function queuesOf(
  { namespace }: MatrixAddress,
): { readonly own: string; readonly later: string } {
  return { own: `own_${namespace}`, later: `later_${namespace}` };
}

/** Names of the actors whose messages are cancelled, one for each state of a message. */
export const PLACES = [
  ...["waiting", "delayed", "flaky", "running", "first", "prefetched", "member", "other"],
] as const;

/** A broker with its backends. */
export interface Opened extends AsyncDisposable {
  readonly broker: Broker;
}

/** Opens a broker with results and groups that all processes share. */
export function openBroker(address: MatrixAddress, first: readonly Middleware[] = []): Opened {
  const { namespace, redis: url, path } = address;
  const [limits, results] = path === undefined
    ? [new RedisRateLimiterBackend({ url: url! }), new RedisResultBackend({ url: url!, namespace })]
    : [new SqliteRateLimiterBackend({ path }), new SqliteResultBackend({ path })];
  const broker = makeBroker(address, [
    ...first,
    ...defaultMiddleware(),
    new GroupCallbacks(limits),
    new Results({ backend: results, storeResults: true }),
  ]);
  return {
    broker,
    async [Symbol.asyncDispose](): Promise<void> {
      await broker.close();
      await results.close();
      await limits.close();
    },
  };
}

function makeBroker(
  { namespace, heartbeatTimeout, redis: url, amqp, path }: MatrixAddress,
  middleware: readonly Middleware[],
): Broker {
  if (path !== undefined) return new SqliteBroker({ path, heartbeatTimeout, middleware });
  if (amqp === undefined) {
    return new RedisBroker({ url: url!, namespace, heartbeatTimeout, middleware });
  }
  const control = new RedisControlStore({ url: url!, namespace });
  return new RabbitmqBroker({ url: amqp, control, middleware });
}

/** Declares all actors; each calls `run`. */
export function declareActors(
  broker: Broker,
  address: MatrixAddress,
  run: (actorName: string) => unknown,
): (name: string) => Actor<[], unknown> {
  const actors = new Map<string, Actor<[], unknown>>();
  const { own, later } = queuesOf(address);
  const declare = (actorName: string, queueName: string, options = {}) => {
    const declared = actor(() => run(actorName), {
      ...{ broker, actorName, queueName, maxRetries: 3, minBackoff: 1, maxBackoff: 1, ...options },
    });
    actors.set(actorName, declared as Actor<[], unknown>);
  };
  for (const name of [...PLACES, "blocker", "hold"]) {
    declare(name, own, name === "prefetched" ? { unique: true } : {});
  }
  for (const name of ["second", "completed", "settled"]) declare(name, later);
  return (name) => actors.get(name)!;
}

/**
 * Fills the queue. The first four messages occupy a worker of concurrency four; the others that are
 * not cancelled yet are prefetched.
 *
 * @returns The messages to cancel, by actor.
 */
export async function fill(
  broker: Broker,
  actorOf: (name: string) => Actor<[], unknown>,
): Promise<Map<string, Message>> {
  const messages = new Map<string, Message>();
  const send = async (name: string, options = {}) =>
    void messages.set(name, await actorOf(name).sendWithOptions({ args: [], ...options }));
  await send("waiting");
  await send("delayed", { delay: 1 });
  for (const name of ["waiting", "delayed"]) await messages.get(name)!.cancel();
  for (const name of ["flaky", "running"]) await send(name);
  const chain = pipeline([actorOf("first").message(), actorOf("second").message()], { broker });
  await chain.run();
  for (const name of ["hold", "blocker"]) await actorOf(name).send();
  await send("prefetched");
  const members = group([actorOf("member").message(), actorOf("other").message()], { broker });
  members.addCompletionCallback(actorOf("completed").message());
  members.addCompletionCallback(actorOf("settled").message(), { when: "settled" });
  await members.run();
  for (const message of [chain.messages[0]!, ...members.children as Message[]]) {
    messages.set(message.actorName, message);
  }
  return messages;
}
