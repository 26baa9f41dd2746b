import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { basename } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { ensureInstalled, findProgram } from "../support/servers/install.ts";
import { test } from "../support/test.ts";
import { testOwn } from "./own.ts";

const SERVERS = ["redis-server", "memcached", "rabbitmq-server"] as const;

for (const name of SERVERS) {
  testOwn(name)(`ensureInstalled gives the program of ${name}, to several at once`, async () => {
    const [program, again] = await Promise.all([ensureInstalled(name), ensureInstalled(name)]);

    assertEquals(basename(program), name);
    assertEquals(again, program);
    await access(program, constants.X_OK);
  });
}

test("ensureInstalled says how to provide a server that it cannot install", async () => {
  const apart = fileURLToPath(new URL("apart.ts", import.meta.url));
  const args = runtime === "deno" ? ["run", "-A", "--no-config", apart, "find"] : [apart, "find"];
  const env = { ...process.env, PATH: "/nonexistent" };

  const { stdout } = await promisify(execFile)(process.execPath, args, { env });

  assertStringIncludes(stdout, "Cannot start redis-server: it is not installed, and this ");
  assertStringIncludes(stdout, "Install the package redis-server");
  assertStringIncludes(stdout, 'or run "docker compose up -d" and set TEST_REDIS_URL');
});

test("findProgram gives undefined for a program that is nowhere", async () => {
  assertEquals(await findProgram("no-such-program"), undefined);
});
