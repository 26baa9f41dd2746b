import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { toImportError } from "../../cli/import_errors.ts";
import { runtime } from "../../platform/runtime.ts";
import { withFolder } from "../support/folder.ts";
import { freePort } from "../support/servers/free_port.ts";
import { skip, test } from "../support/test.ts";
import { Fixture, inLanes } from "./fixture.ts";

const actors = `import { actor, setBroker, StubBroker } from "@dq/dramatiq";
setBroker(new StubBroker());
actor(function idle() {});
`;

/** Kind of a module, the arguments, and the one line that they come to. */
const CASES: Readonly<Record<string, [text: string, args: string[], line: RegExp]>> = {
  "a file that is not there": [
    actors,
    ["actor.ts"],
    /^Cannot import actor\.ts: there is no such file; did you mean actors\.ts\?$/,
  ],
  "an extension that is not there": [
    actors,
    ["actors"],
    /^Cannot import actors: there is no such file or package; did you mean actors\.ts\?$/,
  ],
  "a package that is not there": [
    actors,
    ["@my/mails"],
    /^Cannot import @my\/mails: there is no such file or package$/,
  ],
  "a command that is misspelled": [
    actors,
    ["restore-delay"], // no name of a package, which Bun would install
    /^Cannot import restore-delay: there is no such .*; did you mean the command restore-delayed\?$/,
  ],
  "an import that is not there": [
    `import "./gone.ts";`,
    ["actors.ts"],
    /^Cannot import actors\.ts: .*gone\.ts.*actors\.ts/,
  ],
  "an export that is not there": [
    `import { nothing } from "@dq/dramatiq"; nothing();`,
    ["actors.ts"],
    /^Cannot import actors\.ts: .*nothing/,
  ],
  "a syntax error": [
    `const a = 1;\nconst this is = ;\n`,
    ["actors.ts"],
    /^Cannot import actors\.ts: .*actors\.ts:2/,
  ],
  "no actors": [
    `import { setBroker, StubBroker } from "@dq/dramatiq"; setBroker(new StubBroker());`,
    ["actors.ts"],
    /^Cannot start a worker: the modules declare no actor on this broker$/,
  ],
  "a module that does not import the library": [
    `export const number = 42;`,
    ["actors.ts"],
    /^Cannot start a worker: actors\.ts declares no actor; an actor is declared with actor\(\) of/,
  ],
  "a package that a module imports and is not there": [
    `import "@my/mails"; ${actors}`,
    ["actors.ts"],
    /^Cannot import actors\.ts: .*@my\/mails.*; install the packages of this project with "/,
  ],
  "a broker that is none": [
    `${actors}export const number = 42;`,
    ["actors.ts:number"],
    /^Cannot use number of actors\.ts: it is not a broker$/,
  ],
  "an actor instead of a broker": [
    `${actors}export const add = actor(function add() {});`,
    ["actors.ts:add"],
    /^Cannot use add of actors\.ts: it is not a broker$/,
  ],
  "a queue that is not there": [
    actors,
    ["actors.ts", "--queues", "mails"],
    /^Cannot work on mails: the modules declare the queues default$/,
  ],
  "a number that is none": [
    actors,
    ["actors.ts"],
    /^Cannot read environment variable dramatiq_queue_prefetch: .*not "many"$/,
  ],
};

test("Errors that prevent a worker from starting are reported in one line, with exit code 2", async () => {
  await inLanes(Object.entries(CASES), async ([name, [text, args, line]]) => {
    await using fixture = await Fixture.open({ "actors.ts": text });
    const env = name === "a number that is none" ? { dramatiq_queue_prefetch: "many" } : {};
    const program = fixture.start([...args, "-t", "0"], { env });
    assertEquals(await program.ended, 2, `${name}: ${program.output}`);
    const fatal = program.lines.filter(({ level }) => level === "fatal");
    assertEquals(fatal.length, 1, `${name}: ${program.output}`);
    assertMatch(String(fatal[0]!["message"]), line, name);
  });
});

const OF_COMMONJS =
  "A module that package.json makes CommonJS is said to be so, with what to do about it";
if (runtime !== "node") skip(OF_COMMONJS, "only Node reads TypeScript as CommonJS");
else {
  test(OF_COMMONJS, async () => {
    await using fixture = await Fixture.open({
      "actors.ts": actors,
      "package.json": `{ "type": "commonjs" }`,
    });
    const program = fixture.start(["actors.ts", "-t", "0"]);
    assertEquals(await program.ended, 2, program.output);
    assertMatch(
      program.output,
      /Cannot import actors\.ts: Cannot use import statement outside a module at \S+actors\.ts:1; \S+package\.json makes it a CommonJS module: set its type with \\?"npm pkg set type=module\\?"/,
    );
  });
}

const FOR_A_COMPILER = "Sources that are written for a compiler are told from missing ones";
if (runtime === "bun") skip(FOR_A_COMPILER, "Bun imports them");
else {
  test(FOR_A_COMPILER, () =>
    withFolder(async (folder) => {
      const whyNot = async (name: string, text: string) => {
        await writeFile(join(folder, name), text);
        const url = pathToFileURL(join(folder, name)).href;
        const error = await import(url).then(() => undefined, (error: unknown) => error);
        return error === undefined ? "" : toImportError(name, error).message;
      };
      await whyNot("broker.ts", "export const broker = 1;");
      const renamed = await whyNot("renamed.ts", `import "./broker.js";`);
      assertMatch(renamed, /; import broker\.ts by that name, or compile the sources/);
      const gone = await whyNot("gone.ts", `import "./nothing.js";`);
      assert(!/compile/.test(gone), gone);
      const syntax = await whyNot("syntax.ts", "enum Kind { A }\nexport const kind = Kind.A;");
      if (runtime === "deno") assertEquals(syntax, "", "Deno compiles it");
      else assertMatch(syntax, /; compile the sources, or set NODE_OPTIONS="--import tsx"$/);
    }));
}

test("The error of a module that throws has its stack, without frames of the runtime", async () => {
  await using fixture = await Fixture.open({
    "throws.ts": `function fail() {\n  throw new TypeError("boom");\n}\nfail();\n`,
  });
  const program = fixture.start(["throws.ts", "-t", "0"]);
  assertEquals(await program.ended, 2);
  const message = String(program.lines[0]!["message"]);
  assertStringIncludes(message, "Cannot import throws.ts: TypeError: boom\n");
  assertMatch(message, /throws\.ts:2/);
  assert(!/node:internal|ext:/.test(message), message);
});

/** Warnings come after 20 ms instead of ten seconds, once this module is imported. */
const IMPATIENT = `const { setTimeout: original } = globalThis;
globalThis.setTimeout = (callback, ms, ...args) =>
  original(callback, ms === 10_000 || ms === 300_000 ? 20 : ms, ...args);
`;
const HANGS = `import { isMainThread } from "node:worker_threads";
import process from "node:process";
${actors}if (isMainThread === (process.env.HANGS === "process")) await new Promise(() => {});
`;

test("A module whose top-level await does not end is named, and SIGTERM ends the worker at once", async () => {
  await using fixture = await Fixture.open({ "impatient.ts": IMPATIENT, "hangs.ts": HANGS });
  const cases = { process: "Still importing", thread: "Still starting a thread after" };
  await inLanes(Object.entries(cases), async ([where, text]) => {
    const args = ["impatient.ts", "hangs.ts", "-t", where === "thread" ? "1" : "0"];
    const program = fixture.start(args, { env: { HANGS: where } });
    await program.printed(new RegExp(`${text}.*hangs\\.ts.*top-level await.*has not ended`));
    assertEquals(await program.stop(), 0, program.output);
    assert(!/Working on|Cannot/.test(program.output), program.output);
  });
});

test("A broker that cannot be reached is reported in one line, with exit code 3", async () => {
  const port = await freePort();
  const brokers = {
    "RedisBroker": ["redis", /Redis is unavailable: connect ECONNREFUSED 127\.0\.0\.1/],
    "RabbitmqBroker": [
      "amqp",
      /Cannot connect to RabbitMQ at 127\.0\.0\.1:\d+: connect ECONNREFUSED/,
    ],
  } as const;
  await inLanes(Object.entries(brokers), async ([name, [scheme, line]]) => {
    await using fixture = await Fixture.open({
      "away.ts": `import { actor, ${name}, setBroker } from "@dq/dramatiq";
        setBroker(new ${name}({ url: "${scheme}://user:s3cr3t@127.0.0.1:${port}" }));
        actor(function idle() {});`,
    });
    const program = fixture.start(["away.ts", "-t", "0"]);
    assertEquals(await program.ended, 3);
    const fatal = program.lines.filter(({ level }) => level === "fatal");
    assertEquals(fatal.length, 1);
    assertMatch(String(fatal[0]!["message"]), line);
    assert(!program.output.includes("s3cr3t"), program.output);
  });
});

if (runtime === "deno") {
  test("On Deno a permission that is missing is named with its flag", async () => {
    await using fixture = await Fixture.open({
      "actors.ts": actors,
      "net.ts": `${actors}await fetch("http://127.0.0.1:8099");`,
    });
    // With no permission at all, a Deno that is started by a Deno gets them all.
    const supervisor = fixture.start(["actors.ts"], { run: ["run", "--allow-sys"] });
    assertEquals(await supervisor.ended, 2);
    assertEquals(
      supervisor.output,
      "Cannot start worker processes without permission: " +
        "run again with --allow-run --allow-read --allow-env, or -A\n",
    );
    const run = ["run", "--allow-run", "--allow-read", "--allow-env"];
    const child = fixture.start(["net.ts", "-t", "0"], { run });
    assertEquals(await child.ended, 2);
    assertMatch(
      String(child.lines[0]!["message"]),
      /^Cannot import net\.ts: .*run again with the --allow-net flag$/,
    );
    const listening = [
      fixture.start(["dashboard", "--broker", "stub:", "--port", "9"], { run }),
      fixture.start(["actors.ts", "-t", "0", "--http", "127.0.0.1:9"], { run }),
    ];
    for (const program of listening) {
      assertEquals(await program.ended, 2);
      assertMatch(
        program.output,
        /^Cannot .+: it needs the permission; run again with --allow-net=127\.0\.0\.1:9\n$/,
      );
    }
    // Those that were given reach the worker.
    const enough = fixture.start(["actors.ts", "-t", "0"], { run });
    await enough.working();
    assertEquals(await enough.stop(), 0);
  });
} else {
  skip("On Deno a permission that is missing is named with its flag", "this is not Deno");
}
