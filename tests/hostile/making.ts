/**
 * Everything that takes options when it is made.
 *
 * @module
 */
import * as library from "@dq/dramatiq";
import { dashboard } from "@dq/dramatiq/dashboard";
import { OpenTelemetry } from "@dq/dramatiq/opentelemetry";
import { TestBroker } from "@dq/dramatiq/testing";

/** Options as a program in JavaScript may pass them. */
export type Options = Record<string, unknown>;

/** True for an error of the library, rather than one of V8, which also begin with "Cannot". */
export function isRefusal(message: string): boolean {
  return /^Cannot (?!use 'in'|read prop|destructure|convert|set prop|mix )/.test(message);
}

/** Values of a wrong type for options, by their names; an option has one type wherever it is. */
export const WRONG: Readonly<Record<string, unknown>> = {
  ...Object.fromEntries(
    [
      ...["allowNetworkFileSystem", "block", "confirmDelivery", "createFolder", "discover"],
      ...["failFast", "keep", "leases", "notifyShutdown", "purge", "queueGauges", "raise"],
      ...["raiseOnFailure", "readOnly", "report", "share", "skipWhileRunning", "sliding"],
      ...["storeResults", "storeTracebacks", "useNamespacePrefixKeys", "withTraceback"],
    ].map((name) => [name, "false"]),
  ),
  actor: 5n,
  brokerExport: 5n,
  clock: "now",
  encoder: "json",
  errorClasses: Error,
  execArgv: "--inspect",
  queueNames: "default",
  signal: new AbortController(),
};

export const limits = new library.StubRateLimiterBackend();
export const message: library.Message = new library.Message({
  queueName: "default",
  actorName: "add",
  args: [],
});
const modules = [import.meta.url];

/** Makes one, by the name in its errors. */
export const MAKE: Readonly<Record<string, (options: Options) => unknown>> = {
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
  Cancelled: (options) => new library.Cancelled("", options),
  OpenTelemetry: (options) => new OpenTelemetry(options),
  TestBroker: (options) => new TestBroker(options),
  dashboard: (options) =>
    dashboard({ broker: new library.StubBroker(), access: "loopback", ...options }),
};
