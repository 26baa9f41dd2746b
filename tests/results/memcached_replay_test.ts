import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  JSONEncoder,
  MemcachedResultBackend,
  PickleEncoder,
  type ResultBackendOptions,
  ResultMissing,
} from "@dq/dramatiq";
import { MemcachedConnection } from "../../clients/memcached/connection.ts";
import { exchange } from "../support/servers/exchange.ts";
import { startMemcached } from "../support/servers/memcached.ts";
import { after, test } from "../support/test.ts";
import { fromBase64 } from "../support/vectors.ts";
import { captures, isMarked, ownerOf, valueOf } from "./captures.ts";
import { assertGotten, assertStored } from "./gotten.ts";

const { memcached } = captures;
const server = await startMemcached();
const connection = new MemcachedConnection({ servers: server.address });
after(async () => {
  connection.close();
  await server.stop();
});

const open = (options: ResultBackendOptions = {}) =>
  new MemcachedResultBackend({ servers: server.address, namespace: "gold-mc", ...options });

/** Reply of memcached itself: what it says of a key, in its text protocol: flags, seconds left, value. */
async function lookAt(key: string): Promise<{ flags: number; ttl: number; value: string } | null> {
  const answer = await exchange(server, `mg ${key} f t v\r\n`, (received) => {
    const text = received.toString("latin1");
    return text.startsWith("EN\r\n") || text.split("\r\n").length > 2 ? text : undefined;
  });
  const found = /^VA \d+ f(\d+) t(-?\d+)\r\n([^]*)\r\n$/.exec(answer);
  return found && { flags: Number(found[1]), ttl: Number(found[2]), value: found[3]! };
}

for (const [i, vector] of memcached.values.entries()) {
  const { label, key, get_result: gotten } = vector;
  const name = `${vector.encoder} ${label}`;
  const encoder = vector.encoder === "json" ? new JSONEncoder() : new PickleEncoder();
  const bytes = fromBase64(vector.base64!);

  // Reference: results.backends.MemcachedBackend
  test(`MemcachedResultBackend stores what Python stores: ${name} (${i})`, async () => {
    await using backend = open({ encoder });
    const result = valueOf(vector.input, vector.encoder);
    const storing = backend.storeResult(ownerOf(label), result, 600_000);
    if (isMarked(result)) return void await assertRejects(() => storing, TypeError, "failure");
    await storing;
    const { flags, value } = (await lookAt(key))!;
    assertEquals(flags, vector.flags);
    assertStored(vector, Buffer.from(value, "latin1"), bytes);
  });

  test(`MemcachedResultBackend reads what Python stored: ${name} (${i})`, async () => {
    await using backend = open({ encoder });
    await connection.set(key, bytes, { flags: vector.flags! });
    await assertGotten(backend.getResult(ownerOf(label)), gotten, vector.encoder);
    await assertGotten(backend.getResult(ownerOf(label), { block: true }), gotten, vector.encoder);
  });
}

test("MemcachedResultBackend keeps results as long as they are asked to be, unlike Python", async () => {
  await using backend = open();
  for (const { result_ttl_ms: ttl, ttl_s: inPython } of memcached.ttl) {
    const owner = ownerOf(`ttl-${ttl}`);
    await backend.storeResult(owner, 1, ttl);
    const found = await lookAt(backend.buildMessageKey(owner));
    if (ttl === 0) {
      assertEquals(found, null); // Python: for ever
      continue;
    }
    const seconds = Math.ceil(ttl / 1_000);
    // Its clock ticks once a second.
    assert(found !== null && Math.abs(found.ttl - seconds) <= 2, `${ttl}: ${found?.ttl}`);
    const isLikePython = inPython === seconds || inPython === Math.floor(ttl / 1_000);
    assertEquals(isLikePython, ttl >= 1_000 && seconds <= 30 * 86_400, `${ttl}`);
  }
});

test("MemcachedResultBackend leaves keys as they are where it is asked to", async () => {
  const { key, flags, base64 } = memcached.prefixed_key;
  await using backend = open({ useNamespacePrefixKeys: true });
  const owner = { ...ownerOf(""), actorName: "prefixed" };
  assertEquals(backend.buildMessageKey(owner), key);
  await backend.storeResult(owner, 1, 600_000);
  const found = await lookAt(key);
  assertEquals([found?.flags, found?.value], [flags, Buffer.from(base64, "base64").toString()]);
});

test("MemcachedResultBackend takes odd keys, and refuses those that are too long", async () => {
  const actorNames: Record<string, string> = {
    "long-key": "x".repeat(250),
    "key-with-space": "a b",
    "unicode-key": "żółw",
  };
  for (const { label, prefixed, raises } of memcached.odd_keys) {
    await using backend = open({ useNamespacePrefixKeys: prefixed });
    const owner = { ...ownerOf(label), actorName: actorNames[label]! };
    if (raises === undefined) {
      await backend.storeResult(owner, label, 600_000);
      assertEquals(await backend.getResult(owner), label);
    } else {
      await assertRejects(
        () => backend.storeResult(owner, label, 600_000),
        RangeError,
        "250 bytes",
      );
      await assertRejects(() => backend.getResult(owner, { block: true }), RangeError, "250 bytes");
    }
  }
});

test("MemcachedResultBackend stores a failure as Python does", async () => {
  await using backend = open();
  const owner = ownerOf("exception");
  await assertRejects(() => backend.getResult(owner), ResultMissing);
  const error = Object.assign(new Error("nope"), { name: "ValueError" });
  await backend.storeException(owner, error, { ttl: 600_000 });
  assertEquals((await lookAt(backend.buildMessageKey(owner)))?.value, memcached.exception.stored);
  await assertGotten(backend.getResult(owner), memcached.exception.get_result);
});
