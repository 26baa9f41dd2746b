import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  formatDetails,
  formatJson as formatDeadJson,
  formatRow,
} from "../../cli/dead_letters/format.ts";
import { formatJson, formatText, type LogLine } from "../../cli/log_line.ts";
import { escapeJson, escapeLines, escapeText } from "../../platform/escape.ts";
import { actor, StubBroker, Worker } from "@dq/dramatiq";
import { test } from "../support/test.ts";

/** Forges a line, clears a screen, sets a title, and turns text around. */
const HOSTILE =
  "a\n2026-01-01 FATAL b\r\x1b[2J\x1b]0;title\x07\x9b2J\u202etxt\u2066\u2028\u200b\x7f";
// deno-lint-ignore no-control-regex -- these must not come out
const UNSAFE = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;
const SOURCE = { name: "worker-1", pid: 7 };

test("escapeText writes out what a terminal obeys, and nothing else", () => {
  assertEquals(escapeText("plain, ünïcödé 漢字 🎉 \\n"), "plain, ünïcödé 漢字 🎉 \\n");
  assertEquals(escapeText("\n\r\t\x1b\x9b\u202e"), "\\n\\r\\t\\x1b\\x9b\\u202e");
  assertEquals(escapeLines("a\n\tb\r\x1b"), "a\n\tb\\r\\x1b");
  for (let code = 0; code < 0x1_0000; code++) {
    const text = escapeText(String.fromCharCode(code));
    assert(!UNSAFE.test(text) && !text.includes("\n"), `U+${code.toString(16)}`);
    const json = escapeJson(JSON.stringify(String.fromCharCode(code)));
    assert(!UNSAFE.test(json), `U+${code.toString(16)}`);
    assertEquals(JSON.parse(json), String.fromCharCode(code));
  }
});

test("A log line is one line without control characters, whatever a message is called", () => {
  const line: LogLine = {
    time: 0,
    level: "error",
    logger: `dramatiq.${HOSTILE}`,
    text: `Message of ${HOSTILE} failed: ${HOSTILE}`,
    properties: {
      messageId: HOSTILE + 1,
      actor: HOSTILE + 2,
      queue: HOSTILE + 3,
      error: { name: "Error", message: HOSTILE, stack: `Error: ${HOSTILE}\n    at add (a.ts:1:2)` },
    },
  };
  const text = formatText(line, SOURCE, false);
  assert(!UNSAFE.test(text), JSON.stringify(text));
  const [first, ...below] = text.trimEnd().split("\n");
  assertStringIncludes(first!, "ERROR   worker-1[7]");
  assert(below.every((one) => one.startsWith("    ")), text);
  const json = formatJson(line, SOURCE);
  assert(!UNSAFE.test(json) && json.indexOf("\n") === json.length - 1, json);
  assertEquals(JSON.parse(json).actor, HOSTILE + 2);
});

test("dead-letters shows no control character of a message, as text or as JSON", async () => {
  const broker = new StubBroker();
  const fails = actor(() => {
    throw new Error(HOSTILE);
  }, { actorName: HOSTILE, broker, maxRetries: 0 });
  await broker.enqueue(fails.messageWithOptions({ options: { custom: HOSTILE } }));
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("default", { failFast: false });
  const shown: string[] = [];
  for await (const dead of broker.deadLetters("default")) {
    shown.push(formatRow(dead, { queue: 7, actor: 20 }), formatDetails(dead), formatDeadJson(dead));
    assertEquals(JSON.parse(shown.at(-1)!).actor, HOSTILE);
  }
  assertEquals(shown.length, 3);
  for (const text of shown) assert(!UNSAFE.test(text), JSON.stringify(text));
});
