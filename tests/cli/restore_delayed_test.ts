import { assertEquals, assertStringIncludes } from "@std/assert";
import { Message } from "@dq/dramatiq";
import { startRedis } from "../support/servers/redis.ts";
import { after, test } from "../support/test.ts";
import { eventually } from "./fixture.ts";
import { RedisFixture } from "./redis_fixture.ts";

const redis = await startRedis();
after(() => redis.stop());

const MINUTE = 60_000;

/** A queue with three sorted messages, and the command line on a module that declares it. */
async function open() {
  const fixture = await RedisFixture.open(
    redis.url,
    `actor(function mail() {});
actor(function report() {}, { queueName: "reports" });
`,
  );
  const { broker, namespace } = fixture;
  for (const minutes of [3, 1, 2]) {
    const message = new Message({ queueName: "default", actorName: "mail", args: [minutes] });
    await broker.enqueue(message, { delay: minutes * MINUTE });
  }
  const consumer = broker.consume("default.DQ", { prefetch: 10 });
  consumer.receive(1).catch(() => {});
  const key = (name: string) => `${namespace}:${name}`;
  await eventually("sort them", async () => {
    return await redis.command("ZCARD", key("default.DQ.etas")) === 3;
  });
  return {
    broker,
    key,
    run: (...args: string[]) => fixture.modules.start(["restore-delayed", ...args]),
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}

test("restore-delayed skips a queue with a live worker, and restores that of a dead one", async () => {
  await using means = await open();
  const { broker, key } = means;
  const served = means.run("actors.ts");
  assertEquals(await served.ended, 0, served.output);
  assertStringIncludes(
    served.stdout,
    "Restored 0 delayed messages of default: a worker of this library serves the queue",
  );
  assertStringIncludes(served.stdout, "Restored 0 delayed messages of reports\n");

  await redis.command("DEL", key("__delays__")); // As long after a kill.
  const program = means.run("--queue", "default", "actors.ts");
  assertEquals(await program.ended, 0, program.output);
  assertEquals(program.stdout, "Restored 3 delayed messages of default\n");
  await broker.close();
  const ids = await redis.command("LRANGE", key("default.DQ"), 0, -1) as string[];
  const texts = await redis.command("HMGET", key("default.DQ.msgs"), ...ids) as string[];
  assertEquals(texts.map((text) => JSON.parse(text).args[0]), [1, 2, 3]);
});

test("restore-delayed takes modules or an address, and exits with 2 for wrong arguments", async () => {
  await using means = await open();
  const cases: [args: string[], said: string][] = [
    [
      [],
      "name the module that declares the broker, as for a worker, or give its address by --broker",
    ],
    [["--broker", "stub:"], "it is for Redis only, not for StubBroker"],
    [
      ["--queue", "nowhere", "actors.ts"],
      "the modules declare no such queue, but default, reports",
    ],
    [["--speed", "actors.ts"], "unknown option '--speed'"],
  ];
  const queueName = `q_${crypto.randomUUID()}`;
  const byAddress = means.run("--broker", redis.url, "--queue", queueName);
  const programs = cases.map(([args]) => means.run(...args));
  for (const [i, program] of programs.entries()) {
    assertEquals(await program.ended, 2, program.output);
    assertStringIncludes(program.output, cases[i]![1]);
  }
  assertEquals(await byAddress.ended, 0, byAddress.output);
  assertEquals(byAddress.stdout, `Restored 0 delayed messages of ${queueName}\n`);
  const help = means.run("--help");
  assertEquals(await help.ended, 0, help.output);
  assertStringIncludes(help.stdout, "restore-delayed [options] --broker URL | module[:broker]");
});
