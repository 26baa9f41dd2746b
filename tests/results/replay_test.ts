import { Buffer } from "node:buffer";
import { Redis } from "ioredis";
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  DecodeError,
  JSONEncoder,
  PickleEncoder,
  RedisResultBackend,
  type ResultBackend,
  type ResultBackendOptions,
  ResultError,
  ResultFailure,
  ResultMissing,
  ResultTimeout,
  StubResultBackend,
} from "@dq/dramatiq";
import { startRedis } from "../support/servers/redis.ts";
import { after, test } from "../support/test.ts";
import { fromBase64, untag } from "../support/vectors.ts";
import { captures, isMarked, ownerOf, type Step, stepped, valueOf } from "./captures.ts";
import { assertGotten, assertStored } from "./gotten.ts";

const server = await startRedis();
const redis = new Redis(server.url);
after(async () => {
  redis.disconnect();
  await server.stop();
});

const open = (options: ResultBackendOptions = {}) =>
  new RedisResultBackend({ url: server.url, ...options });

// Reference: ResultBackend.build_message_key
test("ResultBackend.buildMessageKey gives Python's keys, hashed and not", () => {
  for (const { namespace, queue_name, actor_name, message_id, ...wanted } of captures.keys.cases) {
    const owner = { queueName: queue_name, actorName: actor_name, messageId: message_id };
    const keys = [false, true].map((useNamespacePrefixKeys) =>
      new StubResultBackend({ namespace, useNamespacePrefixKeys }).buildMessageKey(owner)
    );
    assertEquals(keys, [wanted.key, wanted.key_prefixed]);
  }
  assert(captures.keys.cases.length >= 20);
});

for (const vector of captures.redis_values) {
  const { label, key, elements, get_result: gotten } = vector;
  const name = `${vector.encoder} ${label}`;
  const encoder = vector.encoder === "json" ? new JSONEncoder() : new PickleEncoder();
  const bytes = fromBase64(elements![0]!.base64);

  // Reference: results.backends.RedisBackend
  test(`RedisResultBackend stores what Python stores: ${name}`, async () => {
    await using backend = open({ encoder });
    await redis.del(key);
    const value = valueOf(vector.input, vector.encoder);
    const storing = backend.storeResult(ownerOf(label), value, vector.ttl_ms_asked!);
    if (isMarked(value)) return void await assertRejects(() => storing, TypeError, "failure");
    await storing;
    assertEquals(await redis.type(key), vector.type);
    const stored = await redis.lrangeBuffer(key, 0, -1);
    assertEquals(stored.length, 1);
    assertStored(vector, stored[0]!, bytes);
    const left = await redis.pttl(key);
    assert(left > 0 && left <= vector.ttl_ms_asked!, `${left}`);
  });

  test(`RedisResultBackend reads what Python stored: ${name}`, async () => {
    await using backend = open({ encoder });
    await redis.del(key);
    await redis.lpush(key, Buffer.from(bytes));
    await assertGotten(backend.getResult(ownerOf(label)), gotten, vector.encoder);
    await assertGotten(backend.getResult(ownerOf(label), { block: true }), gotten, vector.encoder);
    // Python takes a result and puts it back in one step; it stays where it is.
    assertEquals(await redis.rpoplpush(key, key).then((text) => text !== null), true);
  });
}

test("RedisResultBackend refuses what Python's encoder refuses, and stores nothing", async () => {
  await using backend = open();
  const values: Record<string, unknown> = {
    bytes: new Uint8Array(1),
    set: new Set(),
    object: new (class Thing {})(),
  };
  for (const { label } of captures.redis_unencodable) {
    assert(label in values, label);
    await assertRejects(() => backend.storeResult(ownerOf(label), values[label], 1_000), TypeError);
    assertEquals(await redis.exists(backend.buildMessageKey(ownerOf(label))), 0);
  }
});

/** Errors that Python raised, and what is thrown here. */
const ERRORS = {
  ResultMissing,
  ResultTimeout,
  ResultFailure,
  DecodeError,
  ResponseError: ResultError, // Redis's own error there
};

async function runStep(backend: RedisResultBackend, step: Step, key: string): Promise<unknown> {
  const name = step.step;
  if (name.startsWith("store_result")) {
    const value = name.endsWith("None") ? null : Number(name.split(" ")[1]);
    await backend.storeResult(stepped, value, 60_000);
    return null;
  }
  if (name === "store_exception") {
    const error = Object.assign(new Error("nope"), { name: "ValueError" });
    await backend.storeException(stepped, error, { ttl: 60_000 });
    return null;
  }
  if (name.includes("undecodable")) await redis.lset(key, 0, "not json");
  if (name.includes("plain string")) await redis.set(key, "1");
  const [, timeout] = /timeout=(\d+)/.exec(name) ?? [];
  const owner = name.includes("goldq.DQ") ? { ...stepped, queueName: "goldq.DQ" } : stepped;
  return await backend.getResult(owner, {
    block: name.includes("block=True"),
    ...(timeout !== undefined && { timeout: Number(timeout) }),
  });
}

test("RedisResultBackend does step by step what Python does", async () => {
  const { key, steps } = captures.redis_steps;
  await using backend = open();
  await redis.del(key);
  for (const step of steps) {
    if (step.raises === undefined) {
      assertEquals(await runStep(backend, step, key), untag(step.value), step.step);
    } else {
      const ErrorClass = ERRORS[step.raises as keyof typeof ERRORS];
      const error = await assertRejects(() => runStep(backend, step, key), ErrorClass);
      if (error instanceof ResultFailure) assertEquals(error.message, step.message);
    }
    if (step.stored === undefined) continue; // it is no list then
    const stored = await redis.lrange(key, 0, -1);
    assertEquals(stored.length === 0 ? null : stored, step.stored, step.step);
  }
});

test("RedisResultBackend keeps results as long as Python does", async () => {
  await using backend = open();
  for (const { result_ttl_ms: ttl, pttl_just_after_at_most: most = -2 } of captures.redis_ttl) {
    const owner = ownerOf(`ttl-${ttl}`);
    await backend.storeResult(owner, 1, ttl);
    const left = await redis.pttl(backend.buildMessageKey(owner));
    assert(left <= most, `${ttl}: ${left}`);
    if (ttl > 60_000) assert(left > most - 60_000, `${ttl}: ${left}`);
  }
});

for (const { label, stored, get_result: gotten } of captures.exceptions.cases) {
  // Reference: ResultBackend.store_exception
  test(`ResultBackend stores an exception as Python does: ${label}`, async () => {
    const written: Uint8Array[] = [];
    class Watched extends StubResultBackend {
      protected override store(key: string, data: string, ttl: number): Promise<void> {
        written.push(new TextEncoder().encode(data));
        return super.store(key, data, ttl);
      }
    }
    await using backend: ResultBackend = new Watched();
    const error = Object.assign(new Error(gotten.orig_exc_msg), { name: gotten.orig_exc_type });
    await backend.storeException(stepped, error, { ttl: 60_000 });
    assertEquals(written, [fromBase64(stored.base64)]);
    await assertGotten(backend.getResult(stepped), gotten);
  });
}
