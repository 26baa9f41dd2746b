import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { type Arguments, parseArguments } from "../../cli/arguments.ts";
import { COMMAND_NAMES } from "../../cli/command_names.ts";
import { SUBCOMMANDS } from "../../cli/subcommands.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { VERSION } from "../../platform/version.ts";
import { test } from "../support/test.ts";
import { ROOT } from "./fixture.ts";

const DEFAULTS: Arguments = {
  modules: ["a.ts"],
  processes: 1,
  maxTasksPerChild: undefined,
  threads: availableParallelism(),
  concurrency: 8,
  executor: "thread",
  queues: [],
  pidFile: undefined,
  logFile: undefined,
  logFormat: undefined,
  skipLogging: false,
  watch: undefined,
  watchInclude: [],
  watchExclude: [],
  workerShutdownTimeout: 600_000,
  forkFunctions: [],
  http: undefined,
  liveTimeout: 120_000,
  verbose: false,
};

test("parseArguments has a default for everything but the modules", () => {
  assertEquals(parseArguments(["a.ts"]), DEFAULTS);
});

test("parseArguments reads options in any position", () => {
  const args = "a.ts:broker -p 2 -t 3 b.ts --concurrency 4 --pid-file p --log-file l " +
    "--log-format json --skip-logging --watch . -i *.sql -i *.html -x gen/** -v " +
    "--worker-shutdown-timeout 0 --http [::1]:80 --live-timeout 1 --max-tasks-per-child 9 " +
    "-f a.ts:f --fork-function b.ts:g -Q mails reports";
  assertEquals(parseArguments(args.split(" ")), {
    modules: ["a.ts:broker", "b.ts"],
    processes: 2,
    maxTasksPerChild: 9,
    threads: 3,
    concurrency: 4,
    executor: "thread",
    queues: ["mails", "reports"],
    pidFile: "p",
    logFile: "l",
    logFormat: "json",
    skipLogging: true,
    watch: ".",
    watchInclude: ["*.sql", "*.html"],
    watchExclude: ["gen/**"],
    workerShutdownTimeout: 0,
    forkFunctions: ["a.ts:f", "b.ts:g"],
    http: { host: "::1", port: 80 },
    liveTimeout: 1,
    verbose: true,
  });
});

test("parseArguments runs actors inline without threads, and without threads inline", () => {
  const { executor, threads } = parseArguments(["a.ts", "-t", "0"]) as Arguments;
  assertEquals([executor, threads], ["inline", 0]);
  const inline = parseArguments(["a.ts", "--executor", "inline"]) as Arguments;
  assertEquals([inline.executor, inline.threads], ["inline", 0]);
});

test("parseArguments lets the command line win over the program's own options", () => {
  const own = { modules: ["a.ts"], processes: 3, queues: ["x"], verbose: true };
  assertEquals(parseArguments([], own), {
    ...DEFAULTS,
    processes: 3,
    queues: ["x"],
    verbose: true,
  });
  assertEquals(parseArguments(["b.ts", "-p", "1", "-Q", "y"], own), {
    ...DEFAULTS,
    modules: ["a.ts", "b.ts"],
    queues: ["y"],
    verbose: true,
  });
  assertEquals(parseArguments(["-Q"], own), { ...DEFAULTS, processes: 3, verbose: true });
});

test("parseArguments needs no module of a program that declares actors itself", () => {
  const program = { modules: [], declaresActors: true };
  assertEquals(parseArguments([], {}, program), { ...DEFAULTS, modules: [] });
  assertEquals(parseArguments(["-Q", "mails"], {}, program), {
    ...DEFAULTS,
    modules: [],
    queues: ["mails"],
  });
});

test("parseArguments refuses options of the program that it does not have, and wrong ones", () => {
  const cases: [options: unknown, text: string][] = [
    [{ process: 2 }, "it has no option process; its options are concurrency, executor, "],
    [{ fork_function: [] }, "it has no option fork_function (here: forkFunctions); "],
    ["a.ts", "its options must be an object, not a text"],
    [{ queues: "mails" }, 'its queues must be a list, not "mails"'],
    [{ verbose: "false" }, 'its verbose must be true or false, not "false"'],
    [{ pidFile: 5 }, "its pidFile must be a string, not 5"],
    [{ executor: "threads" }, "its executor must be one of inline, thread, process, "],
    [{ logFormat: "xml" }, "its logFormat must be one of text, json, not "],
  ];
  for (const [options, text] of cases) {
    const { message } = assertThrows(() => parseArguments(["a.ts"], options as never), UsageError);
    assert(message.startsWith(`Cannot start a worker: ${text}`), message);
  }
});

test("parseArguments refuses invalid arguments in one line", () => {
  const cases: [string[], string][] = [
    [
      [],
      "Cannot start a worker: name the module that declares the actors, or import them in a program that calls runWorker()",
    ],
    [
      ["-Q", "mails", "a.ts"],
      "Cannot start a worker: name the modules that declare the actors, before --queues or after --, or import them in a program that calls runWorker()",
    ],
    [["a.ts", "--nope"], "Cannot read the arguments: unknown option '--nope'"],
    [
      ["a.ts", "--proceses", "2"],
      "Cannot read the arguments: unknown option '--proceses' (Did you mean --processes?)",
    ],
    [["a.ts", "-p", "x"], 'Cannot use "x" for --processes: it must be a whole number of 1 or more'],
    [["a.ts", "-p", "0"], 'Cannot use "0" for --processes: it must be a whole number of 1 or more'],
    [
      ["a.ts", "--worker-shutdown-timeout", "-1"],
      'Cannot use "-1" for --worker-shutdown-timeout: it must be a whole number of 0 or more',
    ],
    [
      ["a.ts", "-c", "1.5"],
      'Cannot use "1.5" for --concurrency: it must be a whole number of 1 or more',
    ],
    [
      ["a.ts", "--log-format", "xml"],
      "Cannot read the arguments: option '--log-format <kind>' argument 'xml' is invalid. " +
      "Allowed choices are text, json",
    ],
  ];
  for (const [args, text] of cases) {
    const { message } = assertThrows(() => parseArguments(args), UsageError);
    assertEquals(message, text);
  }
  const { message } = assertThrows(
    () => parseArguments(["a.ts"], { processes: 0.5 }),
    UsageError,
  );
  assertEquals(message, 'Cannot use "0.5" for processes: it must be a whole number of 1 or more');
});

test("parseArguments gives the help with examples, and the version of the package", async () => {
  const help = parseArguments(["--help"]) as string;
  assertMatch(help, /^Usage: worker\.ts \[options\] module/);
  for (
    const part of ["Examples:", "worker.ts actors.ts --watch", "SIGHUP", "Exit codes:", "--watch"]
  ) {
    assertEquals(help.includes(part), true, part);
  }
  assertEquals(parseArguments(["--version"]), `${VERSION}\n`);
  for (const file of ["deno.json", "package.json"]) {
    assertEquals(JSON.parse(await readFile(join(ROOT, file), "utf8")).version, VERSION);
  }
});

test("COMMAND_NAMES are the names of all commands", () => {
  assertEquals(COMMAND_NAMES, [...SUBCOMMANDS.keys()]);
});
