import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { assertEquals, assertMatch } from "@std/assert";
import { actor, RedisBroker } from "@dq/dramatiq";
import { runtime } from "../../platform/runtime.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after, test } from "../support/test.ts";
import { Fixture, ROOT, RUN } from "./fixture.ts";

const redis = await startRedis();
after(() => redis.stop());

test("examples/worker/worker.ts is a worker program with options of its own, and those of the command line", async () => {
  await using fixture = await Fixture.open();
  // Its workers are started with the same flags, or the modules would not be found.
  const run = runtime === "node" ? ["--stack-trace-limit=3"] : RUN;
  const program = fixture.start(["--processes", "2", "--concurrency", "3"], {
    entry: join(ROOT, "examples", "worker", "worker.ts"),
    run,
  });
  await program.working(2);
  assertMatch(
    program.output,
    /Working on greetings: 1 actor, 3 messages at once on the event loop/,
  );
  await program.printed("Hello, Edsger", 2);
  assertEquals(await program.stop(), 0);
});

test("examples/worker/mails.ts works in threads on what examples/worker/send.ts sends", async () => {
  await using fixture = await Fixture.open();
  const env = { DRAMATIQ_BROKER_URL: redis.url };
  const folder = join(ROOT, "examples", "worker");
  const program = fixture.start([join(folder, "mails.ts"), "--threads", "1"], { env });
  await program.working();
  const addresses = ["ada@example.com", "grace@example.com", "nobody"];
  const sender = fixture.start(addresses, { entry: join(folder, "send.ts"), env });
  assertEquals(await sender.ended, 0, sender.output);
  await program.printed("Sent a mail to ada@example.com");
  await program.printed("Sent a mail to grace@example.com");
  await program.printed("Retrying message ");
  const failed = program.lines.find(({ level }) => level === "error")!;
  assertEquals([failed["actor"], failed["queue"]], ["sendMail", "mails"]);
  assertEquals(await program.stop(), 0);
});

test("worker.ts takes packages and URLs as modules, and its flags reach the workers", async () => {
  const actors = (name: string) =>
    `import { actor, setBroker, StubBroker } from "@dq/dramatiq";
    export const broker = new StubBroker();
    actor(function idle() {}, { broker, queueName: "${name}" });`;
  await using fixture = await Fixture.open({ "by_url.ts": actors("by_url") });
  const folder = join(fixture.folder, "node_modules", "my-actors");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "package.json"), `{ "type": "module", "exports": "./index.js" }`);
  await fixture.write(join("node_modules", "my-actors", "index.js"), actors("by_name"));
  const { imports } = JSON.parse(await readFile(join(ROOT, "deno.json"), "utf8"));
  const config = join(fixture.folder, "deno.json");
  const own = { "my-actors": "./node_modules/my-actors/index.js" };
  await writeFile(
    config,
    JSON.stringify({ imports: { ...imports, ...own }, nodeModulesDir: "none" }),
  );
  const run = runtime === "deno" ? ["run", "-A", "--config", config] : RUN;
  const url = pathToFileURL(join(fixture.folder, "by_url.ts")).href;
  for (const [module, queue] of [["my-actors", "by_name"], [url, "by_url"]]) {
    const program = fixture.start([`${module}:broker`, "--threads", "1"], { run });
    await program.working();
    assertMatch(program.output, new RegExp(`Working on ${queue}: 1 actor`));
    assertEquals(await program.stop(), 0);
  }
});

test("runWorker without modules runs the program's own actors, in threads and in processes", async () => {
  await using broker = new RedisBroker({ url: redis.url });
  const greet = actor((_name: string) => {}, { actorName: "greet", queueName: "own", broker });
  const fail = actor(() => {}, { actorName: "fail", queueName: "own", broker });
  await using fixture = await Fixture.open({
    "own.ts": `import { writeSync } from "node:fs";
import process from "node:process";
import { isMainThread } from "node:worker_threads";
import { actor, RedisBroker, setBroker } from "@dq/dramatiq";
import { runWorker } from ${JSON.stringify(pathToFileURL(join(ROOT, "worker.ts")).href)};
setBroker(new RedisBroker({ url: "${redis.url}" }));
actor(function greet(name: string) {
  writeSync(1, \`Hello, \${name} in \${isMainThread ? "process" : "thread"} \${process.argv.at(-1)}\\n\`);
}, { queueName: "own" });
actor(function fail() { throw new Error("for good"); }, { queueName: "own", maxRetries: 0 });
await runWorker({ threads: 1 });`,
  });
  const entry = join(fixture.folder, "own.ts");
  const run = runtime === "deno" ? ["run", "-A", `--config=${join(ROOT, "deno.json")}`] : RUN;
  for (const executor of ["thread", "process"]) {
    const program = fixture.start(["--executor", executor], { entry, run });
    await program.working();
    assertMatch(program.output, /Working on own: 2 actors, 8 messages at once in 1/);
    await greet.send(executor);
    await program.printed(`Hello, ${executor} in ${executor} ${executor}`);
    assertEquals(await program.stop(), 0);
  }
  const last = fixture.start(["--executor", "inline"], { entry, run });
  await fail.send();
  await last.printed("for good");
  assertEquals(await last.stop(), 0);

  const list = fixture.start(["dead-letters", "list"], { entry, run });
  assertEquals(await list.ended, 0, list.output);
  assertMatch(list.stdout, / own +fail /);
});

test("runWorker refuses the program itself as a module, which would wait for itself", async () => {
  await using fixture = await Fixture.open();
  const entry = join(ROOT, "examples", "worker", "worker.ts");
  const program = fixture.start([entry], { entry });
  assertEquals(await program.ended, 2);
  assertMatch(program.output, /Cannot import \S+worker\.ts: it is this program/);
});
