/**
 * Parts of the demo, without its command line.
 *
 * @module
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { StubBroker } from "@dq/dramatiq";
import { countFiles } from "../../examples/demo/count_files.ts";
import { TextCounter } from "../../examples/demo/text_counter.ts";
import { readPieces } from "../../examples/demo/text_file.ts";
import { Totals } from "../../examples/demo/totals.ts";
import { WordCounter } from "../../examples/demo/word_counter.ts";
import { skip, test } from "../support/test.ts";
import { FILES, makeFolder, TEXTS } from "./demo_folder.ts";

test("countFiles finishes what is running when it is interrupted, and no more", async () => {
  await using folder = await makeFolder(FILES);
  const interruption = new AbortController();
  await using broker = new StubBroker();
  const { done, failures } = await countFiles(TEXTS.map(([path]) => path), {
    broker,
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
  await using broker = new StubBroker();
  const result = await countFiles(["ascii.txt", "gone.txt", "no_line_break.txt"], {
    broker,
    folder: folder.path,
    concurrency: 2,
    failEvery: 0,
    signal: new AbortController().signal,
  });
  const gone = join(folder.path, "gone.txt");
  assertEquals(result.failures, [`Cannot read file "${gone}": it does not exist`]);
  assertEquals([result.done, result.totals.words, result.totals.retries], [3, 6, 0]);
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
  const counted = { path: "one.txt", count: counter.finish(), retries: 1, pid: 7 };
  const binary = { path: "two.bin", count: null, retries: 0, pid: 7 };
  for (const one of [counted, binary, counted, binary]) totals.add(one);
  assertEquals([totals.binaryFiles, totals.retries, totals.repeated], [1, 1, 2]);
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

/** Lines and words as the real thing counts them. */
function wc(input: string | Uint8Array): number[] | undefined {
  const env = { ...process.env, LC_ALL: "C.UTF-8" };
  const { status, stdout } = spawnSync("wc", ["-lw"], { input, env });
  return status === 0 ? String(stdout).trim().split(/\s+/).map(Number) : undefined;
}
