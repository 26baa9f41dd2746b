import { assertEquals } from "@std/assert";
import { type IpcRecord, RecordReader } from "../../cli/ipc.ts";
import { LineReader } from "../../cli/output.ts";
import { test } from "../support/test.ts";

const RECORDS: IpcRecord[] = [
  { type: "ready", text: "works\non lines", forks: 2 },
  { type: "retiring", reason: "a thread computes for ever" },
];

test("RecordReader reads records from chunks of any size", () => {
  const text = RECORDS.map((record) => `${JSON.stringify(record)}\n`).join("");
  for (let length = 1; length <= text.length; length += 7) {
    const [records, invalid]: [unknown[], string[]] = [[], []];
    const reader = new RecordReader((one) => records.push(one), (line) => invalid.push(line));
    for (let i = 0; i < text.length; i += length) reader.push(text.slice(i, i + length));
    assertEquals([records, invalid], [RECORDS, []]);
  }
});

test("RecordReader continues after invalid and too long records", () => {
  const [records, invalid]: [unknown[], string[]] = [[], []];
  const reader = new RecordReader((one) => records.push(one), (line) => invalid.push(line));
  const good = JSON.stringify(RECORDS[1]);
  reader.push(`{"type":"ready"}\nnonsense\n${good}\n`);
  assertEquals([records, invalid], [[RECORDS[1]], ['{"type":"ready"}', "nonsense"]]);
  for (let i = 0; i < 3; i++) reader.push("x".repeat(2 ** 23));
  reader.push(`${good}\n${good}\n`); // the first one ends the long line
  assertEquals([records.length, invalid.length], [2, 3]);
});

test("LineReader reads lines from chunks of any size, and a last line without line break", () => {
  const text = "one\n\ntwo é\nthree";
  for (let length = 1; length <= text.length; length++) {
    const lines: string[] = [];
    const reader = new LineReader((line) => lines.push(line));
    for (let i = 0; i < text.length; i += length) reader.push(text.slice(i, i + length));
    reader.end();
    reader.end();
    assertEquals(lines, ["one", "", "two é", "three"]);
  }
});
