import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assertEquals, assertMatch } from "@std/assert";
import { actor, Control, StubBroker, Worker } from "@dq/dramatiq";
import { runtime } from "../../platform/runtime.ts";
import { ROOT } from "../cli/fixture.ts";
import { runsLongTests } from "../servers/own.ts";
import { test } from "../support/test.ts";

const POLLUTE = fileURLToPath(new URL("pollute.ts", import.meta.url));

const RUN: Readonly<Record<typeof runtime, readonly string[]>> = {
  deno: ["test", "-A", "--no-check", `--preload=${POLLUTE}`],
  bun: ["test", "--timeout", "300000", "--preload", POLLUTE],
  node: ["--import", POLLUTE, "--test"],
};

const SUITES = [
  ...["brokers/stub/stub_broker", "results/stub", "rate_limits/stub"],
  ...(runsLongTests ? ["brokers/redis", "results/redis", "rate_limits/redis"] : []),
];

test("Every suite holds with enumerable properties on the prototypes of Object, Array and Function", async () => {
  const files = SUITES.map((name) => `./tests/${name}_test.ts`);
  // By the one, Node refuses to run tests inside a test; by the other, it may find this file compiled,
  // and load what strips types only after the prototypes are what it cannot bear.
  const { NODE_TEST_CONTEXT: _context, NODE_COMPILE_CACHE: _cache, ...env } = process.env;
  const child = spawn(process.execPath, [...RUN[runtime], ...files], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...env, NO_COLOR: "1" },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => output += text);
  }
  const [code] = await once(child, "close");
  assertEquals(code, 0, output);
  assertMatch(output, /\b\d{3,} pass|\bpass \d{3,}/); // the suites have some hundred tests
});

test("Actors may have the names of what every object inherits", async () => {
  const broker = new StubBroker();
  const names = [
    "constructor",
    "toString",
    "__proto__",
    "hasOwnProperty",
    "valueOf",
    "isPrototypeOf",
  ];
  const ran: string[] = [];
  const actors = names.map((actorName) => {
    const one = actor(() => {
      one.logger.info("It runs");
      ran.push(actorName);
    }, { actorName, queueName: `q_${actorName}`, broker });
    return one;
  });
  await using worker = new Worker(broker);
  await worker.start();
  for (const one of actors) await one.send();
  for (const one of actors) await broker.join(one.queueName);
  assertEquals(ran.toSorted(), names.toSorted());
  assertEquals(broker.allDeadLetters, []);
});

test("Pauses, cancellations and unique keys are those meant where prototypes have a toJSON", async () => {
  for (const prototype of [Array.prototype, Object.prototype]) {
    await using broker = new StubBroker();
    const add = actor(() => {}, { actorName: "add", unique: true, broker });
    const control = new Control(broker);
    const patch = { value: () => "patched", configurable: true };
    Object.defineProperty(prototype, "toJSON", patch);
    try {
      await control.pause({ queue: "default" }, { reason: "deploy" });
      await control.cancel("m", { reason: "wrong" });
      await add.sendWithOptions({ args: [1] as never });
      await add.sendWithOptions({ args: [2] as never });
    } finally {
      Reflect.deleteProperty(prototype, "toJSON");
    }
    const { entries } = await broker.controlStore.read("");
    assertEquals(entries.filter(({ value }) => value === "patched"), []);
    const pauses = await control.paused();
    assertEquals(pauses.map(({ reason }) => reason), ["deploy"]);
    assertEquals(entries.filter(({ key }) => key.startsWith("claim/")).length, 2);
  }
});
