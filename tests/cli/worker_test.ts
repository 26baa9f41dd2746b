import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { parseArguments } from "../../cli/arguments.ts";
import { VERSION } from "../../cli/version.ts";
import { runtime } from "../../core/runtime.ts";
import { test } from "../support/test.ts";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const EXAMPLE = join(ROOT, "examples", "worker", "actors.ts");

/** Starts the command line as a process of its own, on this runtime. */
function start(...args: string[]): { child: ChildProcess; output: () => string } {
  const run = runtime === "deno" ? ["run", "-A"] : [];
  const child = spawn(process.execPath, [...run, "worker.ts", ...args], { cwd: ROOT });
  let text = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (part: string) => text += part);
  }
  return { child, output: () => text };
}

/** Resolves when the process has printed a text; fails when it ends before. */
async function printed({ child, output }: ReturnType<typeof start>, text: string): Promise<void> {
  const ended = once(child, "close").then(() => {
    throw new Error(`It ended without ${JSON.stringify(text)}: ${output()}`);
  });
  ended.catch(() => {}); // it always ends, mostly later
  while (!output().includes(text)) {
    await Promise.race([once(child.stdout!, "data"), once(child.stderr!, "data"), ended]);
  }
}

async function run(...args: string[]): Promise<{ code: number; output: string }> {
  const started = start(...args);
  const [code] = await once(started.child, "close");
  return { code, output: started.output() };
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`worker.ts runs the actors of a module until ${signal}, and ends with 0`, async () => {
    const started = start(EXAMPLE, "--concurrency", "1");
    await printed(started, "Hello, Edsger");
    await printed(started, "Working on greetings");
    process.kill(started.child.pid!, signal); // `child.kill` on Deno takes the signal for the exit
    const [code] = await once(started.child, "close");
    assertEquals(code, 0);
    assertEquals(started.output().match(/Hello, \w+/g), [
      "Hello, Ada",
      "Hello, Grace",
      "Hello, Edsger",
    ]);
    assertStringIncludes(started.output(), `Stopping after ${signal}`);
  });
}

test("worker.ts lets a running actor finish, and a second signal kills it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "dramatiq-"));
  try {
    const module = join(folder, "slow.ts");
    await writeFile(
      module,
      `import { actor, StubBroker } from ${
        JSON.stringify(pathToFileURL(join(ROOT, "mod.ts")).href)
      };
      export const broker = new StubBroker();
      const slow = actor(function slow(ms: number) {
        console.log("begun");
        return new Promise((resolve) => setTimeout(resolve, ms)).then(() => console.log("finished"));
      }, { broker });
      await slow.send(Number(${JSON.stringify("DURATION")}));`.replace('Number("DURATION")', "200"),
    );
    const patient = start(`${module}:broker`);
    await printed(patient, "begun");
    await printed(patient, "Working on default");
    process.kill(patient.child.pid!, "SIGTERM");
    assertEquals((await once(patient.child, "close"))[0], 0);
    assertStringIncludes(patient.output(), "finished");

    await writeFile(
      module,
      (await readFile(module, "utf8")).replace("slow.send(200)", "slow.send(3e6)"),
    );
    const hasty = start(`${module}:broker`);
    await printed(hasty, "begun");
    await printed(hasty, "Working on default");
    process.kill(hasty.child.pid!, "SIGTERM");
    await printed(hasty, "Stopping after SIGTERM");
    process.kill(hasty.child.pid!, "SIGTERM");
    assertEquals((await once(hasty.child, "close"))[0], 1);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("worker.ts shows where a module throws", async () => {
  const folder = await mkdtemp(join(tmpdir(), "dramatiq-"));
  try {
    const throwing = join(folder, "throwing.ts");
    await writeFile(throwing, "function fail() {\n  throw new TypeError('boom');\n}\nfail();\n");
    const failed = await run(throwing);
    assertEquals(failed.code, 2);
    assertStringIncludes(failed.output, `Cannot import ${throwing}: TypeError: boom\n`);
    assertStringIncludes(failed.output, "throwing.ts:2");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("worker.ts says in one line what is wrong, and ends with 2", async () => {
  const cases: [string[], string][] = [
    [[], "Cannot start a worker: name the module that declares the actors\n"],
    [["--nope"], "Cannot read the arguments: Unknown option '--nope'"],
    [[EXAMPLE, "-c", "0"], 'Cannot use "0" for --concurrency: it must be a whole number of 1 or'],
    [["no_such_module.ts"], "Cannot import no_such_module.ts: "],
    [[`${EXAMPLE}:greet`], `Cannot use greet of ${EXAMPLE}: it is no broker\n`],
    [[`${EXAMPLE}:gone.too`], `Cannot use gone.too of ${EXAMPLE}: it is not exported\n`],
    [[EXAMPLE, "-Q", "x"], "Cannot work on x: the modules declare the queues greetings\n"],
  ];
  for (const [args, text] of cases) {
    const { code, output } = await run(...args);
    assertEquals([code, output.includes(text)], [2, true], output);
  }
});

test("worker.ts prints its help and its version, which is that of the package", async () => {
  assertStringIncludes((await run("--help")).output, "Usage: deno task worker");
  assertEquals(await run("--version"), { code: 0, output: `${VERSION}\n` });
  for (const file of ["deno.json", "package.json"]) {
    assertEquals(JSON.parse(await readFile(join(ROOT, file), "utf8")).version, VERSION);
  }
});

test("parseArguments reads options wherever they stand, and has defaults", () => {
  assertEquals(parseArguments(["a.ts", "-Q", "x", "b.ts", "--queues", "y", "-c", "3"]), {
    modules: ["a.ts", "b.ts"],
    queues: ["x", "y"],
    concurrency: 3,
    shutdownTimeout: 600_000,
  });
  assertEquals(parseArguments(["a.ts", "--worker-shutdown-timeout", "0"]), {
    modules: ["a.ts"],
    queues: [],
    concurrency: 8,
    shutdownTimeout: 0,
  });
});
