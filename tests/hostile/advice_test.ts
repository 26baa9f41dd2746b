/**
 * Errors of those who have forgotten something: each names the real reason and the next step.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { cp, mkdir, symlink } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assert, assertMatch, assertStringIncludes } from "@std/assert";
import { missingPackage, packageAdvice } from "../../platform/missing_package.ts";
import { runtime } from "../../platform/runtime.ts";
import { Fixture, ROOT, RUN } from "../cli/fixture.ts";
import { withFolder } from "../support/folder.ts";
import { freePort } from "../support/servers/free_port.ts";
import { skip, test } from "../support/test.ts";

/** Command by which a program is run that stands in no project, and imports this one. */
const CONFIG = ["--config", join(ROOT, "deno.json")];
const RUN_HERE = runtime === "deno" ? [...RUN, ...CONFIG] : RUN;

/** Output of a program. */
async function outputOf(
  fixture: Fixture,
  name: string,
  run: readonly string[] = RUN_HERE,
  env: Record<string, string> = {},
  args: readonly string[] = [],
): Promise<string> {
  const settings = { cwd: fixture.folder, env: { ...process.env, NO_COLOR: "1", ...env } };
  return await new Promise((resolve) => {
    execFile(process.execPath, [...run, name, ...args], settings, (_error, stdout, stderr) => {
      resolve(stdout + stderr);
    });
  });
}

const LIST_QUEUES = ["queues", "list", "--broker", "redis://127.0.0.1:1"];

const SENDS = `
import process from "node:process";
import { actor } from "@dq/dramatiq";
try {
  await actor(function work() {}).send();
  console.log("sent");
} catch (error) {
  console.log(error.name + ": " + error.message);
}
process.exit(); // its broker goes on trying to connect
`;

if (runtime === "deno") {
  const config = ["--no-prompt", ...CONFIG];

  test("getBroker chooses no broker when it may not read DRAMATIQ_BROKER_URL, and says so", async () => {
    await using fixture = await Fixture.open({ "sends.ts": SENDS });
    const env = { DRAMATIQ_BROKER_URL: "stub:" };
    const text = await outputOf(fixture, "sends.ts", ["run", ...config, "--allow-net"], env);
    assertMatch(
      text,
      /^TypeError: Cannot choose a broker: reading DRAMATIQ_BROKER_URL is not permitted/,
    );
    assertStringIncludes(text, "--allow-env=DRAMATIQ_BROKER_URL");
    const flag = "--allow-env=DRAMATIQ_BROKER_URL";
    const run = ["run", ...config, flag];
    assertStringIncludes(await outputOf(fixture, "sends.ts", run, env), "sent");
  });

  test("A client that needs a permission is told from one that is not installed", async () => {
    const port = await freePort();
    await using fixture = await Fixture.open({
      "sends.ts": `import { RedisBroker, setBroker } from "@dq/dramatiq";
        setBroker(new RedisBroker({ url: "redis://127.0.0.1:${port}" }));${SENDS}`,
    });
    const text = await outputOf(fixture, "sends.ts", ["run", ...config, "--allow-net"]);
    assertMatch(text, /Cannot use Redis: the package "ioredis" needs a permission: .*--allow-env/);
  });

  test("A command names the permission that its client needs, without a stack", async () => {
    await using fixture = await Fixture.open();
    const run = ["run", ...config, "--allow-net", "--allow-read"];
    const text = await outputOf(fixture, join(ROOT, "worker.ts"), run, {}, LIST_QUEUES);
    assertMatch(text, /^Cannot use Redis: [^\n]*--allow-env[^\n]*\n$/);
  });

  test("A server that may not be reached without permission names the flag", async () => {
    await Promise.all(["redis://127.0.0.1:1", "amqp://127.0.0.1:1"].map(async (url) => {
      await using fixture = await Fixture.open({
        "sends.ts": `import { brokerFromUrl, setBroker } from "@dq/dramatiq";
          setBroker(brokerFromUrl("${url}"));${SENDS}`,
      });
      const text = await outputOf(fixture, "sends.ts", ["run", ...config, "--allow-env"]);
      assertMatch(text, /ConnectionFailed: .*--allow-net/);
    }));
  });

  test("MemcachedBackend reads no variable of another service", async () => {
    const port = await freePort();
    await using fixture = await Fixture.open({
      "asks.ts": `import { MemcachedResultBackend, Message } from "@dq/dramatiq";
        const backend = new MemcachedResultBackend({ servers: "127.0.0.1:${port}" });
        const message = new Message({ queueName: "q", actorName: "a", args: [] });
        await backend.getResult(message).catch((error) => console.log(error.message));
        await backend.close();`,
    });
    const text = await outputOf(fixture, "asks.ts", ["run", ...config, "--allow-net"]);
    assertStringIncludes(text, "ECONNREFUSED");
  });
} else {
  test("A package that is not installed is named, with the command that adds it", () =>
    withFolder(async (folder) => {
      const parts = [
        ...["brokers", "cli", "clients", "control", "core", "encoders", "middleware", "platform"],
        ...["rate_limits", "results", "worker"],
      ];
      for (const part of [...parts, "mod.ts", "worker.ts", "package.json"]) {
        await cp(join(ROOT, part), join(folder, part), { recursive: true });
      }
      await using fixture = await Fixture.open();
      const worker = join(folder, "worker.ts");
      await mkdir(join(folder, "node_modules"));
      const install = (name: string) =>
        symlink(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
      await install("@logtape");
      const first = await outputOf(fixture, worker);
      assertMatch(
        first,
        /^Cannot start a worker: .*commander.*; install the packages of this project/,
      );

      await install("commander");
      const library = pathToFileURL(join(folder, "mod.ts")).href;
      for (const [kind, name] of [["Redis", "ioredis"], ["Rabbitmq", "amqplib"]] as const) {
        await fixture.write(
          "sends.ts",
          `import { ${kind}Broker, setBroker } from "${library}";
          setBroker(new ${kind}Broker());${SENDS.replace("@dq/dramatiq", library)}`,
        );
        const add = runtime === "bun" ? "bun add" : "npm install";
        const text = await outputOf(fixture, "sends.ts");
        assertStringIncludes(text, `"${name}" is not installed; add it with "${add} ${name}"`);
      }
      const listed = await outputOf(fixture, worker, RUN_HERE, {}, LIST_QUEUES);
      assertMatch(listed, /^Cannot use Redis: [^\n]* is not installed; [^\n]*\n$/); // no stack
    }));
}

test("missingPackage calls a package broken that is there and throws", () => {
  const { message, cause } = missingPackage("use Redis", "ioredis", new Error("boom"));
  assert(message === 'Cannot use Redis: the package "ioredis" cannot be loaded: boom', message);
  assert((cause as Error).message === "boom");
});

test("packageAdvice speaks of packages only", () => {
  for (const name of ["commander", "@logtape/logtape"]) {
    const advice = packageAdvice(new Error(`Cannot find package '${name}' imported from /a.ts`));
    assertMatch(advice, new RegExp(`^; install the packages .* or add "${name}"$`));
  }
  for (
    const text of ["Cannot find module './gone.ts' from '/a.ts'", "Cannot find module '/a'", ""]
  ) {
    assert(packageAdvice(new Error(text)) === "", text);
  }
});

for (
  const [scheme, port, kind] of [["amqp", 5672, "Rabbitmq"], ["redis", 6379, "Redis"]] as const
) {
  const name = `A ${kind}Broker without an address says so when there is no server`;
  if (!await isFree(port)) skip(name, `a server listens on port ${port}`);
  else {
    test(name, async () => {
      const sends = (options: string) =>
        `import { ${kind}Broker, setBroker } from "@dq/dramatiq";
        setBroker(new ${kind}Broker(${options}));${SENDS}`;
      await using fixture = await Fixture.open({
        "default.ts": sends(""),
        "named.ts": sends(`{ url: "${scheme}://127.0.0.1:${port}" }`),
      });
      const [byDefault, named] = await Promise.all([
        outputOf(fixture, "default.ts"),
        outputOf(fixture, "named.ts"),
      ]);
      assertMatch(byDefault, /ECONNREFUSED.*; no address was given: .*DRAMATIQ_BROKER_URL/);
      assertStringIncludes(byDefault, "sqlite:tasks.db needs no server");
      assertStringIncludes(named, "ECONNREFUSED");
      assert(!named.includes("no address"), named);
    });
  }
}

/** True if nothing listens on a port of 127.0.0.1. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
