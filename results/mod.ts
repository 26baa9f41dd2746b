/**
 * Results: stores what actors return, for the senders of messages.
 *
 * The root entry exports the same; there the backends are named `StubResultBackend`, `RedisResultBackend`,
 * `SqliteResultBackend` and `MemcachedResultBackend`.
 *
 * @example Wait for a result
 * ```ts
 * import { actor, setBroker, StubBroker, Worker } from "@dq/dramatiq";
 * import { Results, StubBackend } from "@dq/dramatiq/results";
 *
 * const broker = new StubBroker();
 * broker.addMiddleware(new Results({ backend: new StubBackend() }));
 * setBroker(broker);
 *
 * const add = actor(function add(a: number, b: number) {
 *   return a + b;
 * }, { storeResults: true });
 *
 * await using worker = new Worker(broker);
 * await worker.start();
 * const message = await add.send(1, 2);
 * const sum: number = await message.getResult({ block: true });
 * if (sum !== 3) throw new Error(`${sum}`);
 * ```
 *
 * @module
 */
export { ResultBackend, type ResultBackendOptions } from "./backend.ts";
export { Results, type ResultsOptions } from "./middleware.ts";
export { StubResultBackend as StubBackend } from "./backends/stub.ts";
export {
  RedisResultBackend as RedisBackend,
  type RedisResultBackendOptions as RedisBackendOptions,
} from "./backends/redis.ts";
export {
  SqliteResultBackend as SqliteBackend,
  type SqliteResultBackendOptions as SqliteBackendOptions,
} from "./backends/sqlite.ts";
export {
  MemcachedResultBackend as MemcachedBackend,
  type MemcachedResultBackendOptions as MemcachedBackendOptions,
} from "./backends/memcached.ts";
export {
  ResultError,
  ResultFailure,
  type ResultFailureOptions,
  ResultMissing,
  ResultTimeout,
} from "../core/result_errors.ts";

// What the above lean on
export type { GetResultOptions, ResultSource } from "../core/result_source.ts";
export type { ResultOwner } from "../core/result_source.ts";
export type { FailureOptions } from "./stored_result.ts";
export type { Stored } from "./batched_reads.ts";
export type { MemcachedOptions } from "../clients/memcached/connection.ts";
export type { RedisAddress } from "../clients/redis/address.ts";
export type { RedisClient, RedisConnectionOptions } from "../clients/redis/client.ts";
export type { Encoded, Encoder } from "../encoders/encoder.ts";
export type { Clock, Timer } from "../platform/clock.ts";
export type { Duration, DurationFields } from "../platform/duration.ts";
export type { SqliteAddress, SqliteDurability } from "../clients/sqlite/address.ts";
export type { SqliteBackendAddress } from "../clients/sqlite/handles.ts";
export type {
  SqliteChanges,
  SqliteDatabase,
  SqliteStatement,
  SqliteValue,
} from "../clients/sqlite/database.ts";
