import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { join } from "node:path";
import process from "node:process";
import { json } from "node:stream/consumers";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Message, Results, setBroker, StubBroker, StubResultBackend, Worker } from "@dq/dramatiq";
import { runtime } from "../../platform/runtime.ts";
import { eventually, Fixture, type Program, ROOT, RUN } from "../cli/fixture.ts";
import { runsLongTests, testLong } from "../servers/own.ts";
import { startOwnRedis } from "../support/servers/redis.ts";
import { runProgram } from "../support/servers/run_program.ts";
import { skip, test } from "../support/test.ts";
import messages from "../vectors/messages.json" with { type: "json" };
import { headerOf } from "./header.ts";

const FOLDER = join(ROOT, "examples");

/** Programs that end by themselves, and whether they run on each runtime in the gate. */
const PROGRAMS: Readonly<Record<string, "everywhere" | "deno">> = {
  "asynchronous.ts": "everywhere",
  "basic.ts": "deno",
  "composition.ts": "deno",
  "crawler.ts": "deno",
  "limits/group_callback.ts": "deno",
  "limits/mutex.ts": "deno",
  "limits/per_customer.ts": "deno",
  "long_running.ts": "deno",
  "persistent.ts": "deno",
  "results.ts": "everywhere",
  "scheduling.ts": "deno",
  "several_files/main.ts": "deno",
  "sqlite_transaction.ts": "everywhere",
  "threads/main.ts": "everywhere",
  "time_limit.ts": "deno",
};
/** Examples for the command line: what sends, and the arguments of the worker. */
const WORKERS: Readonly<Record<string, readonly [send: string, args: readonly string[]]>> = {
  "callable_broker/app.ts": ["callable_broker/send.ts", ["callable_broker/app.ts:setUp"]],
  "max_tasks_per_child/actors.ts": [
    "max_tasks_per_child/send.ts",
    ["max_tasks_per_child/actors.ts", "--max-tasks-per-child", "2", "--concurrency", "1"],
  ],
};
/** Examples that the tests below run in other ways. */
const OTHERS = [
  "deno_serve.ts",
  "hono.ts",
  "mixed_fleet/send.ts",
  "mixed_fleet/tasks.ts",
  "node_http.ts",
];

const where = (isCheap: boolean): typeof test =>
  isCheap || runsLongTests
    ? test
    : (name) => skip(name, "it runs on Deno, and here with TEST_EVERYWHERE=1");

for (const [name, place] of Object.entries(PROGRAMS)) {
  where(place === "everywhere")(`example ${name} prints what its header says`, async () => {
    const { command, lines } = await headerOf(name);
    assert(command.includes(`examples/${name}`), command);
    const output = await runProgram(process.execPath, [...RUN, join(FOLDER, name)], {});
    assertEquals(output.trimEnd().split("\n"), lines);
  });
}

for (const [name, [send, args]] of Object.entries(WORKERS)) {
  where(false)(`example ${name} prints what its header says, on the command line`, async () => {
    const { lines } = await headerOf(name);
    await using fixture = await Fixture.open();
    const env = { TASKS_FILE: join(fixture.folder, "tasks.db") };
    const sender = fixture.start([], { entry: join(FOLDER, send), env });
    assertEquals([await sender.ended, sender.output], [0, ""]);
    const worker = fixture.start([join(FOLDER, args[0]!), ...args.slice(1), "-t", "0"], { env });
    for (const line of lines) await worker.printed(line.replace(/ \(.*/, ""));
    const [, logged] = /logs "(.+)"/.exec(lines.at(-1)!) ?? [];
    if (logged !== undefined) await worker.printed(logged);
    assertEquals(await worker.stop(), 0, worker.output);
  });
}

test("examples/README.md lists each example, and the tests run each", async () => {
  const readme = await readFile(join(FOLDER, "README.md"), "utf8");
  const files = await readdir(FOLDER, { recursive: true });
  const run = [...Object.keys(PROGRAMS), ...Object.keys(WORKERS), ...OTHERS];
  for (const file of files.filter((one) => one.endsWith(".ts"))) {
    const [folder] = file.split("/") as [string];
    assert(readme.includes(`](${folder}`), `examples/README.md does not lead to ${file}`);
    const text = await readFile(join(FOLDER, file), "utf8");
    if (run.includes(file)) await headerOf(file);
    // Those of `demo`, `testing` and `worker` have tests of their own.
    else assert(!/^\/\/ Run: /m.test(text), `no test runs ${file}`);
    if (folder !== "demo") assert(!text.includes("../mod.ts"), `${file} cannot be copied`);
  }
});

/** Starts a server of `deno_serve.ts`, `hono.ts` or `node_http.ts`. */
async function serve(
  fixture: Fixture,
  args: readonly string[],
): Promise<{ url: string; program: Program; stop(): Promise<void> }> {
  const file = join(fixture.folder, "tasks.db");
  const env = { TASKS_FILE: file, DRAMATIQ_BROKER_URL: `sqlite:${file}`, PORT: "0" };
  const [run, entry] = [args.slice(0, -1), args.at(-1)!];
  const program = fixture.start([], { run, entry: join(FOLDER, entry), env });
  await program.printed(/Listening on http:\/\/\S+:\d+/);
  const url = /http:\/\/\S+:(\d+)/.exec(program.output)![1]!;
  return {
    url: `http://127.0.0.1:${url}`,
    program,
    stop: async () => void await program.stop(),
  };
}

if (runtime === "deno") {
  test("example deno_serve.ts takes a message and tells its result", async () => {
    await using fixture = await Fixture.open();
    const server = await serve(fixture, ["run", "-A", "deno_serve.ts"]);
    const sent = await fetch(server.url, { method: "POST", body: "three little words" });
    const { id } = await sent.json();
    assertEquals(sent.status, 202);
    const ask = async () => await fetch(`${server.url}/${id}`);
    let answer = await ask();
    while (answer.status === 404) {
      await answer.body?.cancel();
      answer = await ask();
    }
    assertEquals([answer.status, await answer.json()], [200, { words: 3 }]);
    await server.stop();
  });

  test("example hono.ts stores a message for the workers, or refuses it", async () => {
    await using fixture = await Fixture.open();
    // `deno serve` looks for its configuration from the working directory on.
    const serving = ["serve", "-A", "--port", "0", "--config", join(ROOT, "deno.json")];
    const server = await serve(fixture, [...serving, "hono.ts"]);
    const post = (body: unknown) =>
      fetch(`${server.url}/mails`, { method: "POST", body: JSON.stringify(body) });
    const sent = await post({ address: "ada@example.com" });
    assertEquals(sent.status, 202);
    assertMatch((await sent.json()).id, /^[0-9a-f-]{36}$/);
    const refused = await post({});
    assertEquals([refused.status, await refused.json()], [400, { error: "address is missing" }]);
    await server.stop();
    await assertMailSent(fixture);
  });
}

/** Has a worker run the message that a server has stored. */
async function assertMailSent(fixture: Fixture): Promise<void> {
  const env = { DRAMATIQ_BROKER_URL: `sqlite:${join(fixture.folder, "tasks.db")}` };
  const worker = fixture.start([join(FOLDER, "several_files/mails.ts"), "-t", "0"], { env });
  await worker.printed("mail to ada@example.com: Welcome");
  assertEquals(await worker.stop(), 0, worker.output);
}

const ON_NODE = "example node_http.ts answers a request that has begun when it is told to stop";
if (runtime !== "node") skip(ON_NODE, "it is for Node");
else {
  test(ON_NODE, async () => {
    await using fixture = await Fixture.open();
    const { url, program } = await serve(fixture, ["node_http.ts"]);
    const refused = await fetch(`${url}/mails`, { method: "POST", body: "{" });
    assertEquals([refused.status, await refused.json()], [400, { error: "address is missing" }]);

    const headers = { expect: "100-continue" };
    const request = httpRequest(`${url}/mails`, { method: "POST", headers });
    request.flushHeaders();
    await once(request, "continue"); // the server has the request
    program.signal("SIGTERM");
    await eventually("see the server closed", () => fetch(url).then(() => false, () => true));
    request.end(JSON.stringify({ address: "ada@example.com" }));
    const [response] = await once(request, "response") as [IncomingMessage];
    assertEquals(response.statusCode, 202);
    assertMatch((await json(response) as { id: string }).id, /^[0-9a-f-]{36}$/);
    assertEquals(await program.ended, 0, program.output);
    await assertMailSent(fixture);
  });
}

test("example mixed_fleet/tasks.ts runs what Python sent, as it was captured", async () => {
  const broker = new StubBroker();
  broker.addMiddleware(new Results({ backend: new StubResultBackend(), storeResults: true }));
  setBroker(broker);
  await import("../../examples/mixed_fleet/tasks.ts");
  const { utf8 } = messages.cases.find(({ label }) => label === "positional-ints")!;
  const sent = await broker.enqueue(Message.decode(utf8));
  const worker = new Worker(broker);
  await worker.start();
  assertEquals(await sent.getResult({ block: true }), 0);
  assertEquals(sent.args, [1, 2, -3, 0]);
  await worker.stop();
  await broker.close();
});

const PYTHON_FOLDER = join(FOLDER, "mixed_fleet");
const PYTHON_ENV = { PYTHONDONTWRITEBYTECODE: "1", PYTHONUNBUFFERED: "1" };
const hasDramatiq = runsLongTests &&
  spawnSync("python3", ["-c", "import dramatiq, redis"]).status === 0;

if (!hasDramatiq) {
  skip("examples in mixed_fleet send to each other", "python3 has no dramatiq, or not on Deno");
} else {
  testLong("redis-server")("examples in mixed_fleet send to each other", async () => {
    const redis = await startOwnRedis();
    await using fixture = await Fixture.open();
    const env = { ...PYTHON_ENV, REDIS_URL: redis.url, DRAMATIQ_BROKER_URL: redis.url };
    const options = { cwd: PYTHON_FOLDER, env: { ...process.env, ...env } };
    const args = ["-m", "dramatiq", "python_tasks", "-p", "1", "-t", "1"];
    const python = spawn("python3", args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    const ended = once(python, "close");
    let printed = "";
    for (const stream of [python.stdout, python.stderr]) {
      stream.setEncoding("utf8").on("data", (part: string) => printed += part);
    }
    try {
      const worker = fixture.start([join(PYTHON_FOLDER, "tasks.ts"), "-t", "0"], { env });
      assertEquals(spawnSync("python3", ["python_tasks.py"], options).status, 0);
      await worker.printed("add(1, 2, -3, 0) = 0");
      const entry = join(PYTHON_FOLDER, "send.ts");
      const sender = fixture.start(["hello"], { entry, env });
      assertEquals([await sender.ended, sender.output], [0, ""]);
      await eventually("see Python shout", () => printed.includes("shouted: HELLO"));
      assertEquals(await worker.stop(), 0, worker.output);
    } finally {
      python.kill("SIGTERM");
      await ended;
      await redis.stop();
    }
  });
}
