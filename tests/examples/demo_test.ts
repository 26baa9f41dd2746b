import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { spawn, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isUnlucky } from "../../examples/demo/actors.ts";
import { countFiles } from "../../examples/demo/count_files.ts";
import { TextCounter } from "../../examples/demo/text_counter.ts";
import { readPieces } from "../../examples/demo/text_file.ts";
import { Totals } from "../../examples/demo/totals.ts";
import { WordCounter } from "../../examples/demo/word_counter.ts";
import { skip, test } from "../support/test.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = "examples/demo/main.ts";
const DENO = ["run", "--no-prompt", "--allow-read", "--allow-env"];
/** How this runtime runs the demo, and how it does so without leave to read a path. */
const RUNTIME = "Deno" in globalThis
  ? { args: [...DENO, MAIN], deny: (path: string) => [...DENO, `--deny-read=${path}`, MAIN] }
  : "Bun" in globalThis
  ? { args: ["run", MAIN], deny: undefined }
  : { args: [MAIN], deny: () => ["--permission", `--allow-fs-read=${join(ROOT, "*")}`, MAIN] };

/** What is in the folder, and what `wc -lwc` has to say about it. */
const FILES: Record<string, { content: string | Uint8Array; counts?: [number, number, number] }> = {
  "ascii.txt": { content: "one two\n\tthree  Two\n", counts: [2, 4, 20] },
  "crlf.txt": { content: "one\r\ntwo three\r\n", counts: [2, 3, 16] },
  "deep/er/unicode.txt": { content: "Éé ÉÉ\u3000中文 —\u00a0🙂\n", counts: [1, 5, 29] },
  "empty.txt": { content: "", counts: [0, 0, 0] },
  "late_nul.txt": { content: `${"x ".repeat(4_096)}\0\n`, counts: [1, 4_096, 8_194] },
  "latin1.txt": { content: Uint8Array.of(0x63, 0xe9, 0x20, 0x64), counts: [0, 2, 4] },
  "no_line_break.txt": { content: "two two", counts: [0, 2, 7] },
  "binary.bin": { content: "PK\0one two\n" },
  ".git/config": { content: "left out\n" },
  "node_modules/one/index.js": { content: "left out\n" },
};
const TEXTS = Object.entries(FILES).filter(([, { counts }]) => counts !== undefined);

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
    demo([folder.path, "--concurrency", "1", "--fail-every", "0"]),
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
    const { stdout } = await demo([folder.path, "--fail-every", String(failEvery)]);
    const unlucky = paths.filter((path) => isUnlucky(path, failEvery));
    assertEquals(figures(stdout, "retries", "text files"), [unlucky.length, TEXTS.length]);
  }
});

test("demo prints zeros for a folder without text files", async () => {
  await using folder = await makeFolder({});
  const { code, stdout, stderr } = await demo([folder.path]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const zeros = ["text files", "lines", "words", "bytes", "retries", "messages a second"];
  assertEquals(figures(stdout, ...zeros), [0, 0, 0, 0, 0, 0]);
});

test("demo explains itself with --help", async () => {
  const { code, stdout, stderr } = await demo(["--help"]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  for (const text of ["Usage:", "Example:", "--concurrency", "--fail-every", "--no-progress"]) {
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
    const onOutput = (text: string, stdin: { write(text: string): unknown }) =>
      text.includes("%  0 of") && stdin.write("\x03");
    const { code, stdout } = await run("script", ["-qfec", command, "/dev/null"], onOutput);
    assertEquals(code, 130, stdout);
    assert(stdout.includes(`\r\x1b[K${"░".repeat(30)}   0%  0 of 200 files`), stdout);
    const done = Number(/Interrupted after (\d+) of 200 files/.exec(stdout)?.[1]);
    assertGreater(200, done);
    assertEquals(figures(stdout, "text files", "words"), [done, done * 50_000]);
  });
}

test("countFiles finishes what is running when it is interrupted, and no more", async () => {
  await using folder = await makeFolder(FILES);
  const interruption = new AbortController();
  const { done, failures } = await countFiles(TEXTS.map(([path]) => path), {
    folder: folder.path,
    concurrency: 1,
    failEvery: 0,
    signal: interruption.signal,
    onStart: () => interruption.abort(),
  });
  assertGreater(TEXTS.length, done);
  assertEquals(failures, []);
});

test("countFiles reports a file that it cannot read, and counts the others", async () => {
  await using folder = await makeFolder(FILES);
  const result = await countFiles(["ascii.txt", "gone.txt", "no_line_break.txt"], {
    folder: folder.path,
    concurrency: 2,
    failEvery: 0,
    signal: new AbortController().signal,
  });
  const gone = join(folder.path, "gone.txt");
  assertEquals(result.failures, [`Cannot read file "${gone}": it does not exist`]);
  assertEquals([result.done, result.totals.words, result.tally.retries], [3, 6, 0]);
});

test("readPieces cuts neither words nor characters", async () => {
  const line = "é€🙂 ".repeat(20_000);
  const block = "€".repeat(100_000);
  await using folder = await makeFolder({ "line": { content: line }, "block": { content: block } });
  for (const [name, content] of [["line", line], ["block", block]] as const) {
    const counter = new WordCounter();
    const decoder = new TextDecoder();
    let text = "";
    let pieces = 0;
    for await (const piece of readPieces(join(folder.path, name))) {
      counter.add(piece);
      text += decoder.decode(piece);
      pieces += 1;
    }
    assert(text === content, `${name} is not what it was`);
    assertGreater(pieces, 1);
    assertEquals(counter.words, name === "line" ? 20_000 : 1);
  }
});

test("TextCounter keeps its message short", () => {
  const counter = new TextCounter();
  const letters = (i: number) => String(i).replace(/\d/g, (digit) => "abcdefghij"[Number(digit)]!);
  const words = Array.from({ length: 6_000 }, (_, i) => letters(i));
  counter.add(new TextEncoder().encode(["z".repeat(65), ...words, ...words].join(" ")));
  const { frequencies, isCut, ...counts } = counter.finish();
  assertEquals([frequencies.length, isCut, counts.words], [5_000, true, 12_001]);
  assertEquals(frequencies[0], ["a", 2]);
});

test("Totals adds a file once, however often it comes", () => {
  const totals = new Totals();
  const counter = new TextCounter();
  counter.add(new TextEncoder().encode("b a a\n"));
  const count = { path: "one.txt", ...counter.finish() };
  totals.add(count);
  totals.add(count);
  assertEquals([totals.files, totals.lines, totals.words, totals.bytes], [1, 1, 3, 6]);
  assertEquals(totals.mostFrequent(10), [["a", 2], ["b", 1]]);
});

// Which runs are words when nothing in them is printable is up to the release of wc, and what is
// white space up to the locale.
if (wc("中\u3000文 \x01 \u00a0 \u0080")?.join() !== "0,2") {
  skip("WordCounter counts as wc does", "there is no wc of GNU coreutils 9.1 with C.UTF-8");
} else {
  test("WordCounter counts as wc does, however odd the bytes", () => {
    const spaces =
      " \t\n\v\f\r\u0085\u00a0\u1680\u2000\u2007\u200a\u2028\u2029\u202f\u205f\u2060\u3000";
    const others =
      "aZ09.~\x01\x1b\x7f\u009fé\u0301ß中\u200b\u2061\ud7ff\ue000\ufeff\ufffd\uffff🙂\u{10ffff}";
    const character = fc.constantFrom(...spaces, ...others).map((one) => Buffer.from(one));
    const byte = fc.integer({ min: 0, max: 255 }).map((one) => Buffer.of(one));
    const leads = fc.constantFrom(0xc0, 0xc2, 0xe0, 0xe2, 0xed, 0xf0, 0xf4, 0xf8);
    const lead = leads.map((one) => Buffer.of(one));
    const continuation = fc.constantFrom(0x80, 0x8d, 0xa0, 0xbf).map((one) => Buffer.of(one));
    // The C library may have older tables of Unicode than the runtime.
    const isOld = (one: string) => one < "\u0180" || `${spaces}${others}`.includes(one);
    const bytes = fc.array(fc.oneof(character, byte, lead, continuation), { maxLength: 60 });
    fc.assert(
      fc.property(bytes, (parts) => {
        const content = Buffer.concat(parts);
        fc.pre([...new TextDecoder().decode(content)].every(isOld));
        const counter = new WordCounter();
        counter.add(content);
        assertEquals([counter.lines, counter.words], wc(content));
      }),
      { numRuns: 300 },
    );
  });
}

if (spawnSync("wc", ["--version"]).status !== 0) {
  skip("demo and wc agree on the library's sources", "there is no GNU wc");
} else {
  test("demo and wc agree on the library's sources", async () => {
    const folder = join(ROOT, "core");
    const { stdout } = await demo([folder]);
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

async function makeFolder(files: Record<string, { content: string | Uint8Array }>) {
  const path = await mkdtemp(join(tmpdir(), "demo-"));
  await Promise.all(
    Object.entries(files).map(async ([name, { content }]) => {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), content);
    }),
  );
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
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

/** Lines and words as the real thing counts them. */
function wc(input: string | Uint8Array): number[] | undefined {
  const env = { ...process.env, LC_ALL: "C.UTF-8" };
  const { status, stdout } = spawnSync("wc", ["-lw"], { input, env });
  return status === 0 ? String(stdout).trim().split(/\s+/).map(Number) : undefined;
}
