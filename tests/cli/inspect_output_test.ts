/**
 * What the commands that inspect a broker print: questions, errors, help, tables, lost output.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { SqliteBroker } from "@dq/dramatiq";
import { confirm } from "../../cli/inspect/confirm.ts";
import { formatTable } from "../../cli/inspect/table.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { withEnvironment } from "../support/environment.ts";
import { test } from "../support/test.ts";
import { Fixture, ROOT, RUN } from "./fixture.ts";
import { openSqlite, RecordedConsole, runCommand, send } from "./inspect_fixture.ts";

test("Dropping many messages requires typing the name of their queue", async () => {
  const change = { what: "drop 2,000 messages of mails", queueNames: ["mails"], count: 2_000 };
  const answers: [answer: string, isFinal: boolean, isYes: boolean][] = [
    ["mails", true, true],
    ["y", true, false],
    ["", true, false],
    ["y", false, true],
    ["Yes", false, true],
    ["no", false, false],
  ];
  for (const [answer, isFinal, isYes] of answers) {
    const console = new RecordedConsole([answer]);
    assertEquals(await confirm(console, false, { ...change, isFinal }), isYes, answer);
    const how = isFinal ? "Type mails to confirm:" : "[y/N]";
    assertEquals(console.questions, [`Drop 2,000 messages of mails? ${how} `]);
    assertEquals(console.notes, isYes ? "" : "Nothing was changed\n");
  }
  const unasked = new RecordedConsole();
  assertEquals(await confirm(unasked, true, { ...change, isFinal: true }), true);
});

test("Commands that inspect a broker print errors in one line", async () => {
  const url = "redis://127.0.0.1:1"; // nothing connects to it
  const cases: [args: string[], said: string][] = [
    [["jobs"], "without an action: name one of list, show, find, cancel, retry, drop"],
    [["jobs", "purge"], 'with action "purge": it must be one of'],
    [["queues", "purge", "--broker", url], "name the queue, with --queue"],
    [["queues", "purge", "--broker", url, "-Q", "a"], "name the state, with --state"],
    [["queues", "list", "--broker", url, "-Q", "a%b"], 'Cannot use queue "a%b": names start with'],
    [["jobs", "list", "--broker", url, "-Q", "a.msgs"], 'Cannot use queue "a.msgs": names that'],
    [["dead-letters", "list", "--broker", url, "-Q", ""], 'Cannot use queue "": names start with'],
    [["restore-delayed", "--broker", url, "-Q", "a b"], 'Cannot use queue "a b": names start'],
    [["cancel", "--broker", url, "-Q", "a b", "--yes"], 'Cannot use queue "a b": names start'],
    [["pause", "--broker", url, "-Q", "a b"], 'Cannot use queue "a b": names start with'],
    [["jobs", "retry", "--broker", url], "name the queue, with --queue"],
    [["jobs", "retry", "--broker", url, "--state", "ready"], "Allowed choices are dead, delayed"],
    [["jobs", "list", "--broker", url, "-n", "0"], 'Cannot use "0" for --limit'],
    [["jobs", "list", "--broker", url, "--since", "soon"], 'Cannot use "soon" for --since'],
    [["jobs", "show", "--broker", url], "give --id"],
    [["workers", "quiet", "--broker", url], "name them with --worker, or give --all"],
    [["queues", "list", "--broker", url, "actors.ts"], "give either modules or --broker, not both"],
    [["queues", "list", "--broker", "nonsense"], "it must be a URL that starts with"],
    [["queues", "list", "--broker", "sqlite:/no/such.db"], "there is no such file"],
    [["queues", "list", "--broker", "sqlite:no%20such.db"], "there is no such file"],
    [["queues", "list", "--broker", "redis://h:port/0"], "is the port a number"],
    [["queues", "list"], "or give its address by --broker or DRAMATIQ_BROKER_URL"],
    [["workers"], "or give its address by --broker or DRAMATIQ_BROKER_URL"],
    [["top"], "or give its address by --broker or DRAMATIQ_BROKER_URL"],
  ];
  for (const [args, said] of cases) {
    const error = await assertRejects(() => runCommand(args), UsageError);
    assertStringIncludes(error.message, said, args.join(" "));
  }
  for (const noun of ["jobs", "queues", "workers"]) {
    const { code, console: { output } } = await runCommand([noun, "--help"]);
    assertEquals([code, output.startsWith(`Usage: worker.ts ${noun} <action>`)], [0, true]);
  }
});

test("Commands leave the SQLite file of another program as it is", async () => {
  await using fixture = await Fixture.open();
  const path = join(fixture.folder, "notes.db");
  const { DatabaseSync } = await import("node:sqlite");
  const other = new DatabaseSync(path);
  other.exec("create table notes(text)");
  for (const args of [["queues", "list"], ["jobs", "list"], ["top"], ["pause", "-Q", "default"]]) {
    const run = () => runCommand([...args, "--broker", `sqlite:${path}`]);
    const error = await assertRejects(run, UsageError, "has no tables of this library");
    assertStringIncludes(error.message, path);
  }
  assertEquals(other.prepare("select name from sqlite_schema").all().length, 1);
  other.close();
});

test("Help and errors name the command as it was called", async () => {
  const { argv } = process;
  const usage = async () => (await runCommand(["jobs", "--help"])).console.output.split("\n")[0];
  try {
    process.argv = [argv[0]!, "/app/node_modules/.bin/dramatiq"];
    assertMatch((await usage())!, /^Usage: dramatiq jobs <action>/);
    await assertRejects(() => runCommand(["jobs"]), UsageError, "; dramatiq jobs --help says more");
    process.argv = [argv[0]!, "/app/worker.ts"];
    assertMatch((await usage())!, /^Usage: worker\.ts jobs <action>/);
  } finally {
    process.argv = argv;
  }
});

test("top writes no control sequences to a dumb terminal", async () => {
  await using means = await openSqlite();
  const args = ["top", "-n", "1", "--broker", means.url];
  const { console } = await withEnvironment({ TERM: "dumb" }, () => runCommand(args, [], 80));
  assertEquals(console.objects.map(({ schema }) => schema), [1]);
});

test("Tables show numbers, ids and errors on a narrow terminal, too", () => {
  const [name, id] = ["q".repeat(60), "379d4b66-15aa-4c31-9f1e-0f1b8f3f7b11"];
  const columns = [
    { title: "QUEUE", isName: true },
    { title: "READY", isNumber: true },
    { title: "ID" },
    { title: "ERROR" },
  ];
  const lineOf = (width: number | undefined, error: string) =>
    formatTable(columns, [[name, "12", id, error]], width).split("\n")[1]!;
  assertEquals(lineOf(undefined, "e"), `${name}     12  ${id}  e`);
  assertEquals(lineOf(90, "e"), `${"q".repeat(37)}…     12  ${id}  e`);
  const error = "RangeError: width is 0, and height is, too";
  assertEquals(lineOf(90, error), `${"q".repeat(22)}…     12  ${id}  ${error.slice(0, 19)}…`);
  const narrow = lineOf(60, error); // takes two lines
  assert(
    narrow.includes(id) && narrow.includes("RangeError: width") && narrow.length <= 120,
    narrow,
  );
});

test("Commands name queues that the broker does not have, which are misspelled most likely", async () => {
  await using means = await openSqlite();
  await send(means.broker, "default", [["a"]]);
  const said = "The broker has no queue defualt; it has default\n";
  for (
    const args of [
      ["queues", "list"],
      ["queues", "purge", "--state", "dead", "--yes"],
      ["jobs", "list"],
      ["jobs", "retry", "--yes"],
    ]
  ) {
    const run = async (name: string) =>
      (await runCommand([...args, "--queue", name, "--broker", means.url])).console.notes;
    assertStringIncludes(await run("defualt"), said, args.join(" "));
    assert(!(await run("default")).includes("has no queue"), args.join(" "));
  }
});

test("top ends once its output is closed, and lost output is exit code 1", async () => {
  await using fixture = await Fixture.open();
  const path = join(fixture.folder, "tasks.db");
  await using broker = new SqliteBroker({ path });
  await send(broker, "default", [["a"]]);
  const command = [process.execPath, ...RUN, join(ROOT, "worker.ts")].join(" ");
  const run = (line: string) =>
    spawnSync("sh", ["-c", `${command} ${line}`], {
      encoding: "utf8",
      cwd: fixture.folder,
      timeout: 60_000,
    });
  const { status, stdout } = run("top --interval 1 --broker sqlite:tasks.db | head -n 1");
  assertEquals([status, JSON.parse(stdout).schema], [0, 1]);
  if (!existsSync("/dev/full")) return; // only on Linux
  const full = run("queues list --json --broker sqlite:tasks.db > /dev/full");
  assertEquals(full.status, 1);
  assertMatch(full.stderr, /^Cannot write the output: .*[Nn]o space left/m);
});
