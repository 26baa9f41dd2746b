import { assert, assertEquals, assertThrows } from "@std/assert";
import * as library from "@dq/dramatiq";
import { dashboard } from "@dq/dramatiq/dashboard";
import { OpenTelemetry } from "@dq/dramatiq/opentelemetry";
import { test } from "../support/test.ts";
import { isRefusal, limits, MAKE, type Options, WRONG } from "./making.ts";

/** Classes that have an option that it cannot do without: leaving all of them out is another error. */
const NEEDY = [
  "ThreadExecutor",
  "ProcessExecutor",
  "Results",
  "SqliteBroker",
  "SqliteResultBackend",
  "SqliteRateLimiterBackend",
  "SqliteControlStore",
  "dashboard",
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

  test(`${name} refuses options of a wrong type`, () => {
    const { message } = assertThrows(() => make({ frobnicate: 1 }), TypeError);
    const names = /its options are (.*)$/.exec(message)![1]!.split(", ");
    for (const option of names.filter((one) => Object.hasOwn(WRONG, one))) {
      const { message } = assertThrows(() => make({ [option]: WRONG[option] }), TypeError);
      assert(isRefusal(message) && message.includes(option), message);
    }
  });
}

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
    () => dashboard({ broker: new library.StubBroker(), access: "loopback", ...wrong } as never),
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
      ...{ actorName: "x", broker: new library.StubBroker() },
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
