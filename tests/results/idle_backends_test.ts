import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { assertEquals } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { startMemcached } from "../support/servers/memcached.ts";
import { startRedis } from "../support/servers/redis.ts";
import { test } from "../support/test.ts";

const PROGRAM = fileURLToPath(new URL("idle_backends_program.ts", import.meta.url));

/** Runs the program; it is killed if it does not end by itself. */
async function runToItsEnd(address: object): Promise<string[]> {
  const args = [...(runtime === "deno" ? ["run", "-A"] : []), PROGRAM, JSON.stringify(address)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 30_000 });
  return stdout.trim().split("\n");
}

test("idle backends do not keep a program running that has closed its broker", async () => {
  await using redis = await startRedis();
  await using memcached = await startMemcached();
  const addresses = [{ redis: redis.url }, { memcached: memcached.address }];
  const expected = ["3", "closed"];
  assertEquals(await Promise.all(addresses.map(runToItsEnd)), [expected, expected]);
});
