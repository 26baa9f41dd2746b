import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as library from "@dq/dramatiq";
import { dashboard } from "@dq/dramatiq/dashboard";
import { OpenTelemetry } from "@dq/dramatiq/opentelemetry";
import { test } from "../support/test.ts";

const limits = new library.StubRateLimiterBackend();
const message = new library.Message({ queueName: "default", actorName: "add", args: [] });
const modules = [import.meta.url];

type Options = Record<string, unknown>;

/** Everything that takes options when it is made. */
const MAKE: Readonly<Record<string, (options: Options) => unknown>> = {
  StubBroker: (options) => new library.StubBroker(options),
  RedisBroker: (options) => new library.RedisBroker(options),
  RabbitmqBroker: (options) => new library.RabbitmqBroker(options),
  SqliteBroker: (options) => new library.SqliteBroker({ path: ":memory:", ...options }),
  Worker: (options) => new library.Worker(new library.StubBroker(), options),
  InlineExecutor: (options) => new library.InlineExecutor(options),
  ThreadExecutor: (options) => new library.ThreadExecutor({ modules, ...options }),
  ProcessExecutor: (options) => new library.ProcessExecutor({ modules, ...options }),
  AgeLimit: (options) => new library.AgeLimit(options),
  TimeLimit: (options) => new library.TimeLimit(options),
  ShutdownNotifications: (options) => new library.ShutdownNotifications(options),
  Retries: (options) => new library.Retries(options),
  AsyncIO: (options) => new library.AsyncIO(options),
  GroupCallbacks: (options) => new library.GroupCallbacks(limits, options),
  Prometheus: (options) => new library.Prometheus(options),
  Results: (options) =>
    new library.Results({ backend: new library.StubResultBackend(), ...options }),
  StubResultBackend: (options) => new library.StubResultBackend(options),
  RedisResultBackend: (options) => new library.RedisResultBackend(options),
  MemcachedResultBackend: (options) => new library.MemcachedResultBackend(options),
  StubRateLimiterBackend: (options) => new library.StubRateLimiterBackend(options),
  RedisRateLimiterBackend: (options) => new library.RedisRateLimiterBackend(options),
  MemcachedRateLimiterBackend: (options) => new library.MemcachedRateLimiterBackend(options),
  SqliteResultBackend: (options) =>
    new library.SqliteResultBackend({ path: ":memory:", ...options }),
  SqliteRateLimiterBackend: (options) =>
    new library.SqliteRateLimiterBackend({ path: ":memory:", ...options }),
  StubControlStore: (options) => new library.StubControlStore(options),
  RedisControlStore: (options) => new library.RedisControlStore(options),
  SqliteControlStore: (options) => new library.SqliteControlStore({ path: ":memory:", ...options }),
  AbortEvents: (options) => new library.AbortEvents(new library.StubBroker(), options),
  ConcurrentRateLimiter: (options) => new library.ConcurrentRateLimiter(limits, "k", options),
  BucketRateLimiter: (options) => new library.BucketRateLimiter(limits, "k", options),
  WindowRateLimiter: (options) => new library.WindowRateLimiter(limits, "k", options),
  Barrier: (options) => new library.Barrier(limits, "k", options),
  Group: (options) => library.group([], options),
  Pipeline: (options) => library.pipeline([message], options),
  PickleEncoder: (options) => new library.PickleEncoder(options),
  Retry: (options) => new library.Retry("", options),
  Snooze: (options) => new library.Snooze(1, options),
};
/** Classes that have an option that it cannot do without: leaving all of them out is another error. */
const NEEDY = [
  "ThreadExecutor",
  "ProcessExecutor",
  "Results",
  "SqliteBroker",
  "SqliteResultBackend",
  "SqliteRateLimiterBackend",
  "SqliteControlStore",
];

for (const [name, make] of Object.entries(MAKE)) {
  test(`${name} refuses options that it does not have, and lists its own`, () => {
    for (const strange of ["frobnicate", "constructor", "__proto__", "toString"]) {
      const options = JSON.parse(`{${JSON.stringify(strange)}: 1}`);
      const { message } = assertThrows(() => make(options), TypeError);
      const start = `Cannot create ${name}: it has no option ${strange}; its options are `;
      assert(message.startsWith(start), message);
    }
    make({});
    if (NEEDY.includes(name)) return;
    for (const none of [null, "url", 7, [] as unknown]) {
      const { message } = assertThrows(() => make(none as Options), TypeError);
      assert(message.startsWith(`Cannot create ${name}: its options must be an object`), message);
    }
  });
}

/** Calls that take options, by what the error says that they cannot do. */
const CALLS: readonly [what: string, method: string, (options: Options) => Promise<unknown>][] = [
  ["enqueue", "enqueue", (options) => makeBroker().enqueue(message.copy(), options)],
  ["enqueue", "enqueueMany", (options) => makeBroker().enqueueMany([message.copy()], options)],
  ["join", "StubBroker.join", (options) => makeBroker().join("default", options)],
  ["join", "SqliteBroker.join", async (options) => {
    await using broker = new library.SqliteBroker({ path: ":memory:" });
    broker.declareQueue("default");
    await broker.join("default", options);
  }],
  ["run a group", "Group.run", (options) => library.group([], withBroker()).run(options)],
  [
    "run a pipeline",
    "Pipeline.run",
    (options) => library.pipeline([message], withBroker()).run(options),
  ],
  ["add a completion callback", "Group.addCompletionCallback", async (options) => {
    await Promise.resolve();
    library.group([], withBroker()).addCompletionCallback(message, options);
  }],
  [
    "get a result",
    "getResult",
    (options) => new library.StubResultBackend().getResult(message, options),
  ],
  [
    "acquire",
    "RateLimiter.acquire",
    (options) => new library.BucketRateLimiter(limits, "calls").acquire(options),
  ],
  [
    "wait at a barrier",
    "Barrier.wait",
    (options) => new library.Barrier(limits, "calls").wait(options),
  ],
  ["list claims", "Control.claims", (options) => new library.Control(makeBroker()).claims(options)],
  ["cancel", "Control.cancel", (options) => control().cancel("id", options)],
  ["cancel messages", "Control.cancelAll", (options) => control().cancelAll(options)],
  ["pause", "Control.pause", (options) => control().pause({ queue: "default" }, options)],
  ["pause", "Control.pause of a target", (target) => control().pause(target as never)],
  ["resume", "Control.resume", (target) => control().resume(target as never)],
  [
    "set the concurrency",
    "Control.setConcurrency",
    (options) => control().setConcurrency(1, options),
  ],
  ["pause a schedule", "Control.pauseSchedule", (options) => control().pauseSchedule("s", options)],
  ["schedule an actor", "schedule", async (options) => {
    await Promise.resolve();
    library.schedule(options as never);
  }],
];

/** Calls that take a signal, by what the error says that they cannot do. */
const WAITING: readonly [what: string, (options: { signal: AbortSignal }) => Promise<unknown>][] = [
  ...CALLS.filter(([, method]) => /join|enqueue|run|getResult|wait/.test(method))
    .map(([what, , call]) => [what, call] as const) as never,
  ["enqueue", (options) => noop().sendWithOptions(options)],
  ["enqueue", (options) => noop().sendMany([[]], options)],
  [
    "get a result",
    (options) => message.getResult({ backend: new library.StubResultBackend(), ...options }),
  ],
  [
    "list messages",
    (options) => inspector().list({ queueName: "default", state: "ready" }, options),
  ],
  ["get a message", (options) => inspector().get(REF, options)],
  ["find a message", (options) => inspector().find("id", options)],
  ["change messages", (options) => inspector().change([REF], "drop", options)],
  ["purge a queue", (options) => inspector().purge("default", "ready", options)],
  ["list workers", (options) => inspector().workers(options)],
  ["read the history", (options) => inspector().history(1, options)],
  ["count messages", async (options) => {
    await using broker = new library.SqliteBroker({ path: ":memory:" });
    await broker.inspect().overview(options);
  }],
];
const REF = { queueName: "default", state: "ready", messageId: "id", key: "id" } as const;

function control(): library.Control {
  return new library.Control(makeBroker());
}

function inspector(): library.Inspector {
  return makeBroker().inspect();
}

function noop(): library.Actor<[], void> {
  return library.actor(() => {}, { actorName: "noop", broker: makeBroker() });
}

for (const [i, [what, call]] of WAITING.entries()) {
  test(`What is no signal is refused: call ${i} cannot ${what}`, async () => {
    for (
      const [signal, given] of [[new AbortController(), "its AbortController"], [5n, "5"], [
        null,
        "null",
      ]]
    ) {
      const { message } = await assertRejects(
        () => call({ signal: signal as never }),
        TypeError,
      );
      assertEquals(message, `Cannot ${what}: its signal must be an AbortSignal, not ${given}`);
    }
  });
}

function makeBroker(): library.StubBroker {
  const broker = new library.StubBroker();
  broker.declareQueue("default");
  return broker;
}

function withBroker(): { broker: library.Broker } {
  return { broker: makeBroker() };
}

for (const [what, method, call] of CALLS) {
  test(`${method} refuses options that it does not have, and lists its own`, async () => {
    for (const strange of ["frobnicate", "constructor", "__proto__"]) {
      const options = JSON.parse(`{${JSON.stringify(strange)}: 1}`);
      const { message } = await assertRejects(() => call(options), TypeError);
      const start = `Cannot ${what}: it has no option ${strange}; its options are `;
      assert(message.startsWith(start), message);
      assert(!message.includes("isPart"), message); // is not for users
    }
  });
}

test("Everything that the library exports and that takes options is in the table of this test", () => {
  const without = [
    "CurrentMessage",
    "Callbacks",
    "Pipelines",
    "JSONEncoder",
    "Actor",
    "Message",
    "MessageProxy",
  ];
  const isConcrete = (value: unknown) =>
    typeof value === "function" && /^class /.test(Function.prototype.toString.call(value)) &&
    !(value.prototype instanceof Error) && value !== Error;
  const takesOptions = Object.entries(library)
    .filter(([, value]) => isConcrete(value) && /constructor\([^)]*options/.test(String(value)))
    .map(([name]) => name);
  const missing = takesOptions.filter((name) => !(name in MAKE) && !without.includes(name));
  assertEquals(missing, ["Broker", "ResultBackend"]); // their subclasses check
});

/** Options of a wrong type, and the beginning of the error. */
const WRONG_TYPES: readonly [text: string, make: () => unknown][] = [
  ...["MemcachedResultBackend", "MemcachedRateLimiterBackend"].flatMap((name) =>
    [
      [
        'Cannot connect to memcached at "5": servers must be a string or a list',
        () => MAKE[name]!({ servers: 5 }),
      ],
      [
        "Cannot connect to memcached: username must be a string",
        () => MAKE[name]!({ username: 5 }),
      ],
      [
        "Cannot connect to memcached: password must be a string",
        () => MAKE[name]!({ password: 5n }),
      ],
    ] as [string, () => unknown][]
  ),
  ...["host", "database", "lock"].map((name): [string, () => unknown] => [
    `Cannot create Prometheus: its ${name} must be a string, not 5`,
    () => MAKE["Prometheus"]!({ [name]: 5 }),
  ]),
  [
    'Cannot create Prometheus: its port must be a number, not "9191"',
    () => MAKE["Prometheus"]!({ port: "9191" }),
  ],
  [
    'Cannot create Prometheus: its queueGauges must be true or false, not "true"',
    () => MAKE["Prometheus"]!({ queueGauges: "true" }),
  ],
  ...[{ origin: 5n }, { origin: [5n] }, { access: 5n }].map((wrong): [string, () => unknown] => [
    `Cannot make a dashboard with ${Object.keys(wrong)[0]} 5: `,
    () => dashboard({ broker: makeBroker(), access: "loopback", ...wrong } as never),
  ]),
  ["Cannot relate spans by 5: ", () => new OpenTelemetry({ relation: 5n as never })],
  ["Cannot use 5 as attributes: ", () => new OpenTelemetry({ attributes: 5n as never })],
  ["Cannot use queueType 5: ", () => MAKE["RabbitmqBroker"]!({ queueType: 5n })],
  ["Cannot use namespace 5: ", () => MAKE["RedisBroker"]!({ namespace: 5n })],
  ["Cannot use namespace 5: ", () => MAKE["RedisControlStore"]!({ namespace: 5n })],
  ["Cannot work on 5: ", () => MAKE["Worker"]!({ queues: 5n })],
  ["Cannot import 5 in another realm: ", () => MAKE["ThreadExecutor"]!({ modules: [5n] })],
  ["Cannot open SQLite at path 5: ", () => MAKE["SqliteBroker"]!({ path: 5n })],
  ["Cannot use key 5: ", () => new library.Barrier(limits, 5n as never)],
  ['Cannot run actor "x" periodically: its schedule has the name 5', () =>
    library.actor(() => {}, {
      ...{ actorName: "x", broker: makeBroker() },
      ...{ cron: { pattern: "0 0 * * *", name: 5n as never } },
    })],
  ["Cannot schedule actor 5: ", () => library.schedule({ actorName: 5n as never })],
];

for (const [i, [text, make]] of WRONG_TYPES.entries()) {
  test(`An option of a wrong type is refused, and shown: case ${i}, ${text}`, () => {
    const { message } = assertThrows(make, TypeError);
    assertEquals(message.slice(0, text.length), text);
  });
}

test("Options in another spelling name their counterpart", () => {
  const cases: [name: string, option: string, counterpart: string][] = [
    ["RedisBroker", "host", "url, or connection.host"],
    ["RedisBroker", "heartbeat_timeout", "heartbeatTimeout"],
    ["RabbitmqBroker", "max_priority", "maxPriority"],
    ["RabbitmqBroker", "host", "url, or connection.hostname"],
    ["Worker", "worker_threads", "concurrency, or threads"],
    ["Retries", "max_retries", "maxRetries"],
    ["Prometheus", "http_port", "port"],
    ["MemcachedResultBackend", "pool", "servers"],
  ];
  for (const [name, option, counterpart] of cases) {
    const { message } = assertThrows(() => MAKE[name]!({ [option]: 1 }), TypeError);
    assert(
      message.startsWith(
        `Cannot create ${name}: it has no option ${option} (here: ${counterpart}); `,
      ),
      message,
    );
  }
});

test("What is no broker, or no encoder, is refused where it is given", () => {
  for (const none of [undefined, null, {}, "redis://127.0.0.1"]) {
    assertThrows(() => library.setBroker(none as never), TypeError, "Cannot set broker");
    assertThrows(() => library.setEncoder(none as never), TypeError, "Cannot set encoder");
    assertThrows(() => new library.Worker(none as never), TypeError, "Cannot create a Worker");
  }
  assertThrows(
    () => library.setEncoder(library.JSONEncoder as never),
    TypeError,
    "Cannot set encoder class JSONEncoder: it must be an object with encode and decode",
  );
});
