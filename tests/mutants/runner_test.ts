import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { assert, assertEquals } from "@std/assert";
import { withFolder } from "../support/folder.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";
import { isAlive } from "../servers/own.ts";
import { judgeAll } from "./judge.ts";
import { type EntryOptions, type Mutant, mutantsOf } from "./mutant.ts";
import { complaints, formatScores, scoreOf } from "./report.ts";
import { judge, runInTime, type RunTests } from "./test_run.ts";

const SOURCE = "answer = 41 + 1\nguard = on\n";

/** Tests of a tree whose only file has to have a line; "hangs" hang, "nothing" has none. */
const runTests: RunTests = async (folder, { tests: [wanted = ""], filter }, timeout) => {
  if (filter === "nothing") return { end: "ran none", took: 1, output: "" };
  const source = await readFile(join(folder, "source.txt"), "utf8");
  if (source.includes("sleep")) return { end: "timed out", took: timeout, output: "" };
  return { end: source.includes(wanted) ? "passed" : "failed", took: 1, output: "" };
};

function mutant(text: string, replacement: string, options: EntryOptions = {}): Mutant {
  return mutantsOf("source.txt", "guard = on", [["a mistake", text, replacement, options]])[0]!;
}

/** Judges mutants of a repository that has one file, which must be as it was afterwards. */
async function verdictsOf(mutants: readonly Mutant[], jobs = 1): Promise<string[]> {
  let verdicts: string[] = [];
  await withFolder(async (root) => {
    await promisify(execFile)("git", ["init", "-q"], { cwd: root });
    await writeFile(join(root, "source.txt"), SOURCE);
    const judged = await judgeAll(mutants, { root, jobs, runTests, timeout: 1_000 });
    verdicts = judged.map(({ verdict }) => verdict);
    assertEquals(await readFile(join(root, "source.txt"), "utf8"), SOURCE);
  });
  return verdicts;
}

test("judgeAll says which mistakes tests notice, each in a tree without the others", async () => {
  const mutants = [
    mutant("guard = on", "guard = off"),
    mutant("41 + 1", "41 - 1"),
    mutant("guard = on", "sleep"),
    mutant("guard = on", "guard = off"),
  ];
  const expected = ["killed", "survived", "timed out", "killed"];
  assertEquals(await verdictsOf(mutants), expected);
  assertEquals(await verdictsOf(mutants, 3), expected);
});

test("judgeAll calls an entry stale whose text is gone or not unique", async () => {
  const other = mutantsOf("gone.txt", "guard = on", [["a mistake", "x", "y"]]);
  const mutants = [mutant("guard = maybe", ""), mutant("1", "2"), ...other];
  assertEquals(await verdictsOf(mutants), ["stale", "stale", "stale"]);
});

test("judgeAll calls an entry unfit whose tests fail without the mistake, or are not there", async () => {
  const mutants = [
    mutant("guard = on", "guard = off", { tests: "guard = open" }),
    mutant("guard = on", "guard = off", { filter: "nothing" }),
  ];
  assertEquals(await verdictsOf(mutants), ["unfit", "unfit"]);
});

test("complaints names survivors without an explanation, and outdated explanations", () => {
  const stays = { stays: "it makes no difference" };
  const judged = [
    { mutant: mutant("a", "b"), verdict: "survived" },
    { mutant: mutant("a", "b", stays), verdict: "survived" },
    { mutant: mutant("a", "b", stays), verdict: "timed out" },
    { mutant: mutant("a", "b"), verdict: "killed" },
  ].map((one) => ({ ...one, line: 1, took: 1 })) as Parameters<typeof complaints>[0];
  assertEquals(scoreOf(judged), 0.5);
  assertEquals(complaints(judged), [
    "survived: source.txt: a mistake",
    "timed out, though the table says that it stays: source.txt: a mistake",
    "50.0 % are killed, less than 90 %",
  ]);
  const [head, row, all] = formatScores([{ area: "worker", judged }]).split("\n");
  assertEquals(head?.split(/ {2,}/)[1], "mutants");
  assertEquals(row?.replace("worker", "all   "), all);
});

test("judge tells tests that hung, failed, passed and were not there apart", () => {
  const ended = (code: number, output: string, isLate = false) =>
    judge({ code, output, isLate, took: 1 }).end;
  assertEquals(ended(0, "ok | 3 passed | 0 failed (1s)"), "passed");
  assertEquals(ended(0, "ok | 0 passed | 0 failed | 7 filtered out (1s)"), "ran none");
  assertEquals(ended(1, "FAILED | 1 passed | 1 failed"), "failed");
  assertEquals(ended(1, "error: SyntaxError: Expression expected"), "does not parse");
  assertEquals(ended(1, "running 3 tests\nerror: SyntaxError: no JSON"), "failed");
  assertEquals(ended(1, "Error: The test has not ended within 20000 ms"), "timed out");
  assertEquals(ended(137, "", true), "timed out");
});

test("runInTime ends a program that hangs, and all that it started", async () => {
  const options = { folder: ".", timeout: 200 };
  const script = "sleep 600 & echo $!; wait";
  const { isLate, output } = await runInTime("/bin/sh", ["-c", script], options, 0);
  assert(isLate);
  const pid = Number(output);
  assert(pid > 0, output);
  await eventually("end what it started", () => !isAlive(pid));
});
