import { execFile } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { startForFile } from "../brokers/redis/fixture.ts";
import { Fixture } from "../cli/fixture.ts";
import { testOwn } from "../servers/own.ts";
import { startOwnMemcached } from "../support/servers/memcached.ts";
import { startRabbitmq } from "../support/servers/rabbitmq.ts";
import { type RedisServer, startOwnRedis } from "../support/servers/redis.ts";
import type { Login } from "./failed_login.ts";

const PROGRAM = fileURLToPath(new URL("failed_login.ts", import.meta.url));
const SECRET = "s3cr3t-passw0rd";
/** All that the password of a client, which is wrong, must not be seen as. */
const FORMS = [SECRET, btoa(SECRET), encodeURIComponent(SECRET)];

/** One that asks for another password. */
const { test, server: redis } = await startForFile({ password: "another" });

/** Output of a program that fails to log in and does nothing about it. */
async function outputOf(login: Login): Promise<string> {
  const run = runtime === "deno" ? ["run", "-A"] : [];
  return await new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: "1", LOGIN: JSON.stringify(login) };
    execFile(process.execPath, [...run, PROGRAM], { env }, (_error, stdout, stderr) => {
      resolve(`${stdout}\n${stderr}`);
    });
  });
}

/** Asserts that a login fails with its reason, and that nothing shows the password. */
async function assertSilentAbout(login: Login, reason: string): Promise<void> {
  const output = await outputOf(login);
  assertStringIncludes(output, "It was not let in", login[0]);
  assertStringIncludes(output, reason, `${login[0]}: ${output}`);
  for (const form of FORMS) {
    const line = output.split("\n").find((line) => line.includes(form));
    assertEquals(line, undefined, `${login[0]} shows its password`);
  }
}

const INVALID = "WRONGPASS";

test("No error or log record shows the password of a user of Redis", async () => {
  const url = `redis://app:${SECRET}@${redis.host}:${redis.port}`;
  for (const kind of ["redis", "redisConsumer", "redisResults", "redisLimits"] as const) {
    await assertSilentAbout([kind, { url }], INVALID);
  }
});

test("No error or log record shows the password that requirepass asks for", async () => {
  await assertSilentAbout(
    ["redis", { url: `redis://:${SECRET}@${redis.host}:${redis.port}` }],
    INVALID,
  );
});

test("No error or log record shows a password in place of a user's name", async () => {
  const { host, port } = redis;
  await assertSilentAbout(["redis", { url: `redis://${SECRET}@${host}:${port}` }], "Redis");
});

test("No error or log record shows the password for a Sentinel", async () => {
  const { host, port } = redis; // which asks for a password as a Sentinel does
  const connection = { sentinels: [{ host, port }], name: "main", sentinelPassword: SECRET };
  await assertSilentAbout(["redis", { connection }], INVALID);
});

test("No error or log record shows the password for a cluster", async () => {
  const { host, port } = redis;
  await assertSilentAbout(["cluster", { node: { host, port }, password: SECRET }], INVALID);
});

test("No error or log record shows a password that a server repeats", async () => {
  await using disabled = await startOwnRedis({
    args: ["--rename-command", "AUTH", "", "--rename-command", "HELLO", ""],
  });
  const url = ({ host, port }: Pick<RedisServer, "host" | "port">) =>
    `redis://app:${SECRET}@${host}:${port}`;
  await assertSilentAbout(["redis", { url: url(disabled) }], "unknown command");

  const parrot = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      const commands = String(bytes).match(/^\*\d/gm) ?? [];
      socket.write(`-ERR I hear ${JSON.stringify(String(bytes))}\r\n`.repeat(commands.length));
    });
  }).listen(0, "127.0.0.1");
  await once(parrot, "listening");
  try {
    const { port } = parrot.address() as AddressInfo;
    await assertSilentAbout(["redis", { url: url({ host: "127.0.0.1", port }) }], "I hear");
  } finally {
    parrot.close();
  }
});

testOwn("rabbitmq-server")(
  "No error or log record shows the password of a user of RabbitMQ",
  async () => {
    await using server = await startRabbitmq();
    const { host, port } = server;
    for (const kind of ["rabbitmq", "rabbitmqConsumer"] as const) {
      const url = `amqp://app:${SECRET}@${host}:${port}`;
      await assertSilentAbout([kind, { url }], "ACCESS");
      const connection = { hostname: host, port, username: "guest", password: SECRET };
      await assertSilentAbout([kind, { connection }], "ACCESS");
    }
  },
);

testOwn("memcached")(
  "No error or log record shows the password of a user of memcached",
  async () => {
    await using server = await startOwnMemcached({ sasl: true });
    const options = { servers: server.address, username: "app", password: SECRET };
    for (const kind of ["memcachedResults", "memcachedLimits"] as const) {
      await assertSilentAbout([kind, options], "authentication failed");
    }
  },
);

test("A worker that may not log in shows no password, in either form of its log", async () => {
  await using fixture = await Fixture.open({
    "work.ts": `import { actor } from "@dq/dramatiq"; actor(function work() {});`,
  });
  const DRAMATIQ_BROKER_URL = `redis://app:${SECRET}@${redis.host}:${redis.port}`;
  for (const format of ["text", "json"]) {
    const args = ["work.ts", "--log-format", format, "-v"];
    const program = fixture.start(args, { env: { DRAMATIQ_BROKER_URL } });
    assertEquals(await program.ended, 3);
    assertStringIncludes(program.output, INVALID);
    assert(!program.output.includes(SECRET), program.output);
  }
});
