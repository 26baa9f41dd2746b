/**
 * Calls that take options, each with a way to make it.
 *
 * @module
 */
import * as library from "@dq/dramatiq";
import { TestBroker } from "@dq/dramatiq/testing";
import { limits, message, type Options } from "./making.ts";

/** A call that takes options. */
export interface Call {
  /** The function or method, and the index of the parameter, as `optionSignatures` names it. */
  readonly signature: string;
  /** The action that its errors name. */
  readonly action: string;
  readonly call: (options: Options) => unknown;
}

type CallOf<T> = (owner: T, options: Options) => unknown;

const results = new library.StubResultBackend();

/** Those of servers are not running: options are refused before anything connects. */
const BROKERS: Readonly<Record<string, () => library.Broker>> = {
  Broker: () => new library.StubBroker(),
  StubBroker: () => new library.StubBroker(),
  SqliteBroker: () => new library.SqliteBroker({ path: ":memory:" }),
  RedisBroker: () => new library.RedisBroker(),
  RabbitmqBroker: () => new library.RabbitmqBroker(),
  TestBroker: () => new TestBroker(),
};

/** A call on each broker, whose signature names the class in place of the `*`. */
function ofBrokers(signature: string, action: string, call: CallOf<library.Broker>): Call[] {
  return Object.entries(BROKERS).map(([name, make]) => ({
    signature: signature.replace("*", name),
    action,
    call: async (options) => {
      await using broker = make();
      broker.declareQueue("default");
      await call(broker, options);
    },
  }));
}

/** As `ofBrokers`, for the inspector. */
function ofInspectors(signature: string, action: string, call: CallOf<library.Inspector>): Call[] {
  return ofBrokers(signature, action, async (broker, options) => {
    await using inspector = broker.inspect();
    await call(inspector, options);
  });
}

/** Calls on a broker in memory. */
function ofBroker(signature: string, action: string, call: CallOf<library.StubBroker>): Call {
  return { signature, action, call: (options) => call(makeBroker(), options) };
}

function ofControl(signature: string, action: string, call: CallOf<library.Control>): Call {
  return ofBroker(signature, action, (broker, o) => call(new library.Control(broker), o));
}

function ofNoop(signature: string, action: string, call: CallOf<library.Actor>): Call {
  return ofBroker(signature, action, (broker, options) => {
    const noop = library.actor(() => {}, { actorName: "noop", broker });
    return call(noop as unknown as library.Actor, options);
  });
}

function ofGroup(signature: string, action: string, call: CallOf<library.Group>): Call {
  return ofBroker(signature, action, (broker, o) => call(library.group([], { broker }), o));
}

function ofPipeline(signature: string, action: string, call: CallOf<library.Pipeline>): Call {
  return ofBroker(signature, action, (broker, options) => {
    broker.addMiddleware(new library.Results({ backend: results }));
    return call(library.pipeline([message], { broker }), options);
  });
}

function makeBroker(): library.StubBroker {
  const broker = new library.StubBroker();
  broker.declareQueue("default");
  return broker;
}

async function ofSqlite(call: (broker: library.SqliteBroker) => unknown): Promise<void> {
  await using broker = new library.SqliteBroker({ path: ":memory:" });
  broker.declareQueue("default");
  await call(broker);
}

const QUERY = { queueName: "default", state: "ready" } as const;
const REF = { ...QUERY, key: "id" };

const BROKER_CALLS: readonly Call[] = [
  ...ofBrokers("*.enqueue 1", "enqueue", (one, o) => one.enqueue(message.copy(), o)),
  ...ofBrokers("*.enqueueMany 1", "enqueue", (one, o) => one.enqueueMany([], o)),
  ...ofBrokers("*.join 1", "join", (one, options) => one.join("default", options)),
  ...ofBrokers("*.consume 1", "consume", (one, options) => one.consume("default", options)),
  ...ofBrokers("Consumer.receive 1", "receive messages", async (broker, options) => {
    await using consumer = broker.consume("default");
    await consumer.receive(1, options);
  }),
  ofBroker("Broker.deadLetters 1", "read dead letters", async (broker, options) => {
    await Array.fromAsync(broker.deadLetters("default", options));
  }),
  ofBroker(
    "ActorRegistry.addMiddleware 1",
    "add middleware",
    (broker, options) => broker.addMiddleware(new library.CurrentMessage(), options),
  ),
  {
    signature: "SqliteBroker.enqueueIn 2",
    action: "enqueue",
    call: (o) =>
      ofSqlite((one) => one.transaction(({ database }) => one.enqueueIn(database, [message], o))),
  },
  {
    signature: "SqliteBroker.insertStatement 1",
    action: "enqueue",
    call: (o) => ofSqlite((one) => one.insertStatement(message, o)),
  },
  {
    signature: "SqliteTransaction.enqueue 1",
    action: "enqueue",
    call: (o) => ofSqlite((one) => one.transaction((it) => it.enqueue(message, o))),
  },
  ...["advance", "drain", "runActor"].map((method): Call => ({
    signature: `TestBroker.${method} ${method === "drain" ? 0 : 1}`,
    action: method === "runActor" ? "run the actor" : method,
    call: async (options) => {
      await using broker = new TestBroker();
      library.actor(() => {}, { actorName: "add", broker });
      if (method === "drain") await broker.drain(options);
      else if (method === "advance") await broker.advance(1, options);
      else await broker.runActor(message, options);
    },
  })),
  ...["assertEnqueued", "assertNotEnqueued"].map((method): Call => ({
    signature: `TestBroker.${method} 1`,
    action: "compare messages",
    call: async (expected) => {
      await using broker = new TestBroker();
      library.actor(() => {}, { actorName: "add", broker });
      broker[method as "assertEnqueued"]("add", expected);
    },
  })),
];

const INSPECTOR_CALLS: readonly Call[] = [
  ...ofInspectors("Inspector.overview 0", "count messages", (one, o) => one.overview(o)),
  ...ofInspectors("Inspector.list 0", "list messages", (one, o) => one.list(o as never)),
  ...ofInspectors("Inspector.list 1", "list messages", (one, o) => one.list(QUERY, o)),
  ...ofInspectors("Inspector.get 1", "get a message", (one, o) => one.get(REF, o)),
  ...ofInspectors("Inspector.find 1", "find a message", (one, o) => one.find("id", o)),
  ...ofInspectors("Inspector.change 2", "change messages", (one, o) => one.change([], "drop", o)),
  ...ofInspectors("Inspector.purge 2", "purge a queue", (one, o) => one.purge("q", "dead", o)),
  ...ofInspectors("Inspector.workers 0", "list workers", (one, o) => one.workers(o)),
  ...ofInspectors("Inspector.history 1", "read the history", (one, o) => one.history(1, o)),
];

const CONTROL_CALLS: readonly Call[] = [
  ofControl("Control.claims 0", "list claims", (control, o) => control.claims(o)),
  ofControl("Control.cancel 1", "cancel", (control, o) => control.cancel("id", o)),
  ofControl("Control.cancelAll 0", "cancel messages", (control, o) => control.cancelAll(o)),
  ofControl(
    "Control.cancelAll 1",
    "cancel messages",
    (control, o) => control.cancelAll({ queue: "q" }, o),
  ),
  ofControl("Control.pause 0", "pause", (control, target) => control.pause(target)),
  ofControl("Control.pause 1", "pause", (control, o) => control.pause({ queue: "default" }, o)),
  ofControl("Control.resume 0", "resume", (control, target) => control.resume(target)),
  ofControl(
    "Control.setConcurrency 1",
    "set the concurrency",
    (control, options) => control.setConcurrency(1, options),
  ),
  ofControl(
    "Control.pauseSchedule 1",
    "pause a schedule",
    (control, options) => control.pauseSchedule("s", options),
  ),
  {
    signature: "schedule() 0",
    action: "schedule an actor",
    call: (o) => library.schedule(o as never),
  },
];

const MESSAGE_CALLS: readonly Call[] = [
  ofNoop("Actor.cancelAll 0", "cancel", (noop, options) => noop.cancelAll(options)),
  ofNoop("Actor.sendMany 1", "enqueue", (noop, options) => noop.sendMany([], options)),
  ofBroker("Message.cancel 0", "cancel", async (broker, options) => {
    await (await broker.enqueue(message)).cancel(options);
  }),
  { signature: "Message.copy 0", action: "copy a message", call: (o) => message.copy(o) },
  {
    signature: "Message.getResult 0",
    action: "get a result",
    call: (options) => message.getResult(options),
  },
  {
    signature: "MessageProxy.interrupt 1",
    action: "interrupt a message",
    call: (o) => new library.MessageProxy(message).interrupt(new library.Shutdown(), o),
  },
  ofGroup("Group.run 0", "run a group", (group, options) => group.run(options)),
  ofGroup("Group.cancel 0", "cancel", (group, options) => group.cancel(options)),
  ofGroup("Group.wait 0", "wait for a group", (group, o) => group.wait(o)),
  ofGroup(
    "Group.getResults 0",
    "get a result",
    (group, options) => Array.fromAsync(group.getResults(options)),
  ),
  ofGroup(
    "Group.addCompletionCallback 1",
    "add a completion callback",
    (group, options) => group.addCompletionCallback(message, options),
  ),
  ofPipeline("Pipeline.run 0", "run a pipeline", (pipeline, options) => pipeline.run(options)),
  ofPipeline("Pipeline.cancel 0", "cancel", (pipeline, options) => pipeline.cancel(options)),
  ofPipeline("Pipeline.getResult 0", "get a result", (pipeline, o) => pipeline.getResult(o)),
  ofPipeline(
    "Pipeline.getResults 0",
    "get a result",
    (pipeline, options) => Array.fromAsync(pipeline.getResults(options)),
  ),
];

const BACKEND_CALLS: readonly Call[] = [
  {
    signature: "ResultBackend.getResult 1",
    action: "get a result",
    call: (options) => results.getResult(message, options),
  },
  {
    signature: "ResultBackend.storeException 2",
    action: "store a failure",
    call: (options) => results.storeException(message, new Error(), options as never),
  },
  {
    signature: "RateLimiter.acquire 0",
    action: "acquire",
    call: (options) => new library.BucketRateLimiter(limits, "calls").acquire(options),
  },
  {
    signature: "Barrier.wait 0",
    action: "wait at a barrier",
    call: (options) => new library.Barrier(limits, "calls").wait(options),
  },
  { signature: "group() 1", action: "create Group", call: (o) => library.group([], o) },
  {
    signature: "pipeline() 1",
    action: "create Pipeline",
    call: (o) => library.pipeline([message], o),
  },
  ...[
    ["RedisBroker", "redis://127.0.0.1"],
    ["RabbitmqBroker", "amqp://127.0.0.1"],
    ["SqliteBroker", "sqlite::memory:"],
    ["StubBroker", "stub:"],
  ].map(([name, url]): Call => ({
    signature: "brokerFromUrl() 1",
    action: `create ${name}`,
    call: (options) => library.brokerFromUrl(url!, options),
  })),
];

/** All of them. */
export const CALLS: readonly Call[] = [
  ...BROKER_CALLS,
  ...INSPECTOR_CALLS,
  ...CONTROL_CALLS,
  ...MESSAGE_CALLS,
  ...BACKEND_CALLS,
];

/** Calls that take an `AbortSignal` as a parameter of its own. */
export const SIGNAL_CALLS: readonly Call[] = [
  ["RateLimiterBackend", limits] as const,
  ["StubRateLimiterBackend", limits] as const,
  ["RedisRateLimiterBackend", new library.RedisRateLimiterBackend()] as const,
  ["MemcachedRateLimiterBackend", new library.MemcachedRateLimiterBackend()] as const,
  ["SqliteRateLimiterBackend", new library.SqliteRateLimiterBackend({ path: ":memory:" })] as const,
].map(([name, backend]) => ({
  signature: `${name}.wait 2`,
  action: "wait",
  call: ({ signal }) => backend.wait("key", 1, signal as AbortSignal),
}));
