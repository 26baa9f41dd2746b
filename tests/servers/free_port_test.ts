import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { fileOf, freePort, reserve } from "../support/servers/free_port.ts";
import { test } from "../support/test.ts";

test("freePort gives ports that can be listened on, each once", async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()));

  assertEquals(new Set(ports).size, 50);
  const server = createServer().listen(ports[0], "127.0.0.1");
  await once(server, "listening");
  server.close();
  await once(server, "close");
});

test("freePort stays below the ports of outgoing connections", async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()));

  for (const port of ports) assert(port >= 15_000 && port < 32_768, `${port}`);
});

test("freePort gives no port of another process that is running", async () => {
  const port = 14_999; // one that it gives to no other test
  await writeFile(fileOf(port), `${process.ppid}`);
  assertEquals(await reserve(port), false);

  await writeFile(fileOf(port), `${2 ** 31 - 1}`); // no process has this id
  assertEquals(await reserve(port), true);
  assertEquals(await reserve(port), false);
});
