import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { spawn, spawnSync } from "node:child_process";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isUnlucky } from "../../examples/demo/actors.ts";
import { skip, test } from "../support/test.ts";
import { FILES, makeFolder, TEXTS } from "./demo_folder.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = "examples/demo/main.ts";
const DENO = ["run", "--no-prompt", "-A"];
/** The messages stay in the process: for what has nothing to do with where they are. */
const IN_PROCESS = ["--broker", "stub:"];
/** Command by which this runtime runs the demo, and how it does so without leave to read a path. */
const RUNTIME = "Deno" in globalThis
  ? { args: [...DENO, MAIN], deny: (path: string) => [...DENO, `--deny-read=${path}`, MAIN] }
  : "Bun" in globalThis
  ? { args: ["run", MAIN], deny: undefined }
  : { args: [MAIN], deny: () => ["--permission", `--allow-fs-read=${join(ROOT, "*")}`, MAIN] };

test("demo counts text files as wc does, and nothing else", async () => {
  await using folder = await makeFolder(FILES);
  await symlink(folder.path, join(folder.path, "circle"));
  await symlink(join(folder.path, "ascii.txt"), join(folder.path, "link.txt"));
  const { code, stdout, stderr } = await demo([folder.path]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const [lines, words, bytes] = [0, 1, 2].map((i) => sum(TEXTS.map(([, one]) => one.counts![i]!)));
  assertEquals(figures(stdout, "text files", "binary files", "unreadable"), [TEXTS.length, 1, 0]);
  assertEquals(figures(stdout, "lines", "words", "bytes"), [lines, words, bytes]);
  assertEquals(figures(stdout, "x", "two", "éé", "d"), [4_096, 5, 2, 1]);
  assertMatch(stdout, /^Done: 8 of 8 files\.\n\n/);
});

test("demo says the same of the same files, in whatever order they are done", async () => {
  await using folder = await makeFolder(FILES);
  const [first, second] = await Promise.all([
    demo([folder.path, "--concurrency", "1", "--fail-every", "0", ...IN_PROCESS]),
    demo([folder.path, "--concurrency=256", "--fail-every=1", "--no-progress"]),
  ]);
  const untilRetries = /^.*?(?=\n {2}retries)/s;
  const digest = /digest +[0-9a-f]{12}\n/;
  for (const part of [untilRetries, digest]) {
    assertMatch(first.stdout, part);
    assertEquals(part.exec(second.stdout)?.[0], part.exec(first.stdout)?.[0]);
  }
});

test("demo retries what fails at first, always the same files", async () => {
  await using folder = await makeFolder(FILES);
  const paths = [...TEXTS.map(([path]) => path), "binary.bin"];
  for (const failEvery of [0, 1, 3]) {
    const { stdout } = await demo([folder.path, "--fail-every", String(failEvery), ...IN_PROCESS]);
    const unlucky = paths.filter((path) => isUnlucky(path, failEvery));
    assertEquals(figures(stdout, "retries", "text files"), [unlucky.length, TEXTS.length]);
  }
});

test("demo prints zeros for a folder without text files", async () => {
  await using folder = await makeFolder({});
  const { code, stdout, stderr } = await demo([folder.path, ...IN_PROCESS]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const zeros = ["text files", "lines", "words", "bytes", "retries", "messages a second"];
  assertEquals(figures(stdout, ...zeros), [0, 0, 0, 0, 0, 0]);
});

test("demo kills a worker process, and counts every file exactly once, with a file or what --broker says", async () => {
  const files = Array.from({ length: 60 }, (_, i) => [`${i}.txt`, { content: `word ${i}\n` }]);
  await using folder = await makeFolder(Object.fromEntries(files));
  await using brokerFolder = await makeFolder({});
  const url = `sqlite:${join(brokerFolder.path, "tasks.db")}`;
  for (const args of [[], ["--broker", url]]) {
    const { code, stdout, stderr } = await demo([folder.path, ...args]);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assertEquals(figures(stdout, "text files", "lines", "words"), [60, 60, 120]);
    assertMatch(stdout, /\nWorker process \d+ was killed \(SIGKILL\) in the middle/);
    assertMatch(stdout, /\nAll 60 files were counted exactly once[.,]/);
  }
});

test("demo explains itself with --help", async () => {
  const { code, stdout, stderr } = await demo(["--help"]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  for (
    const text of [
      "Usage:",
      "Example:",
      "--concurrency",
      "--fail-every",
      "--broker",
      "--no-progress",
    ]
  ) {
    assert(stdout.includes(text), stdout);
  }
});

for (
  const [args, line] of [
    [["/no/such/folder"], 'Cannot read folder "/no/such/folder": it does not exist'],
    [["mod.ts"], 'Cannot read folder "mod.ts": it is not a folder'],
    [["a", "b"], "Cannot look through 2 folders: name one at most"],
    [["--concurrency", "0"], 'Cannot use "0" for --concurrency: it must be a whole number from 1'],
    [["--concurrency", "257"], 'Cannot use "257" for --concurrency: '],
    [["--concurrency="], 'Cannot use "" for --concurrency: '],
    [["--concurrency"], "Cannot read the arguments: Option '--concurrency"],
    [["--fail-every", "1.5"], 'Cannot use "1.5" for --fail-every: it must be a whole number of 0'],
    [["--fail-every=-1"], 'Cannot use "-1" for --fail-every'],
    [["--fail-every", "-1"], "Cannot read the arguments: Option '--fail-every"],
    [["--broker", "pigeon:coop"], 'Cannot create a broker from "pigeon:***": it must be a URL'],
    [["--colour"], "Cannot read the arguments: Unknown option '--colour'"],
  ] as const
) {
  test(`demo refuses ${args.join(" ")} in one line, with exit code 2`, () =>
    assertRefused(args, line));
}

if (RUNTIME.deny === undefined) {
  skip("demo refuses a folder that it may not read", "this runtime cannot be denied a folder");
} else {
  const { deny } = RUNTIME;
  test("demo refuses a folder that it may not read, with exit code 2", async () => {
    await using folder = await makeFolder(FILES);
    await assertRefused([folder.path], `Cannot read folder "${folder.path}": `, deny(folder.path));
  });
}

if (spawnSync("script", ["--version"]).status !== 0) {
  skip("demo stops at Ctrl-C", "there is no script (util-linux) to stand in for a terminal");
} else {
  test("demo shows a progress bar on a terminal, and at Ctrl-C stops and says how far it came", async () => {
    // Some seconds of work.
    const content = "word ".repeat(50_000);
    const files = Array.from({ length: 200 }, (_, i) => [`${i}.txt`, { content }]);
    await using folder = await makeFolder(Object.fromEntries(files));
    const program = [process.execPath, ...RUNTIME.args, folder.path, "--concurrency", "1"];
    const command = program.map((word) => `'${word}'`).join(" ");
    let isPressed = false; // once: a second Ctrl-C ends the program the hard way
    const onOutput = (text: string, stdin: { write(text: string): unknown }) => {
      if (isPressed || !text.includes("%  0 of")) return;
      isPressed = true;
      stdin.write("\x03");
    };
    const { code, stdout } = await run("script", ["-qfec", command, "/dev/null"], onOutput);
    assertEquals(code, 130, stdout);
    assert(stdout.includes(`\r\x1b[K${"░".repeat(30)}   0%  0 of 200 files`), stdout);
    const done = Number(/Interrupted after (\d+) of 200 files/.exec(stdout)?.[1]);
    assertGreater(200, done);
    assertEquals(figures(stdout, "text files", "words"), [done, done * 50_000]);
  });
}

if (spawnSync("wc", ["--version"]).status !== 0) {
  skip("demo and wc agree on the library's sources", "there is no GNU wc");
} else {
  test("demo and wc agree on the library's sources", async () => {
    const folder = join(ROOT, "core");
    const { stdout } = await demo([folder, ...IN_PROCESS]);
    const command = `find '${folder}' -type f | xargs cat | LC_ALL=C.UTF-8 wc`;
    const counted = spawnSync("sh", ["-c", command]);
    const total = String(counted.stdout).trim().split(/\s+/).map(Number);
    assertEquals(figures(stdout, "lines", "words", "bytes"), total);
  });
}

async function assertRefused(args: readonly string[], line: string, runtimeArgs?: string[]) {
  const { code, stdout, stderr } = await demo(args, runtimeArgs);
  assertEquals({ code, stdout }, { code: 2, stdout: "" });
  assert(stderr.startsWith(line) && stderr.endsWith(" (--help tells more)\n"), stderr);
  assertEquals(stderr.split("\n").length, 2, stderr);
}

function demo(args: readonly string[], runtimeArgs: readonly string[] = RUNTIME.args) {
  return run(process.execPath, [...runtimeArgs, ...args]);
}

/** Runs a program to its end. */
function run(
  program: string,
  args: readonly string[],
  onOutput: (text: string, stdin: { write(text: string): unknown }) => void = () => {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: ROOT });
    const output = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output.stdout += text;
      onOutput(text, child.stdin);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => output.stderr += text);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...output }));
  });
}

/** The figures of some rows of the table. */
function figures(stdout: string, ...labels: string[]): number[] {
  return labels.map((label) => {
    const [, figure = ""] = new RegExp(`^ {2}${label} +([\\d,]+)\\s*$`, "m").exec(stdout) ?? [];
    assert(figure !== "", `There is no figure for ${label} in:\n${stdout}`);
    return Number(figure.replaceAll(",", ""));
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
