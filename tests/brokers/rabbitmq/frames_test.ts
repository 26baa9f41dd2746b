import { Buffer } from "node:buffer";
import { assertEquals, assertThrows } from "@std/assert";
import { fieldTable } from "../../../brokers/rabbitmq/field_table.ts";
import { type Content, PublishFrames } from "../../../brokers/rabbitmq/frames.ts";
import { test } from "../../support/test.ts";

const FRAME_MAX = 4_096;

function content(body: string | Uint8Array, more: Partial<Content> = {}): Content {
  const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  return { body, length, queueName: "q", priority: undefined, headers: undefined, ...more };
}

function written(one: Content, isMandatory = true): string {
  const frames = new PublishFrames(1, FRAME_MAX, isMandatory);
  const target = Buffer.alloc(frames.size(one) + 4, 0xaa);
  const end = frames.write(target, 2, one);
  assertEquals(end, target.length - 2, "the size is what is written");
  assertEquals([target[0], target[1], target[end], target[end + 1]], [0xaa, 0xaa, 0xaa, 0xaa]);
  return target.subarray(2, end).toString("hex");
}

// Frames by hand from "AMQP 0-9-1 Specification": type, channel, length, payload, end.
const METHOD = "01 0001 0000000a 003c 0028 0000 00 01 71 01 ce";
const hex = (text: string) => text.replaceAll(" ", "");

test("PublishFrames writes method, header and body as the specification has them", () => {
  const header = "02 0001 0000000f 003c 0000 0000000000000002 1000 02 ce";
  assertEquals(written(content("hi")), hex(`${METHOD} ${header} 03 0001 00000002 6869 ce`));
});

test("PublishFrames is mandatory or not", () => {
  assertEquals(written(content("hi"), false).slice(0, 36), hex(METHOD.replace("71 01", "71 00")));
});

test("PublishFrames writes a priority, 0 too, and headers before the delivery mode", () => {
  const priority = "02 0001 00000010 003c 0000 0000000000000002 1800 02 00 ce";
  const body = "03 0001 00000002 6869 ce";
  assertEquals(written(content("hi", { priority: 0 })), hex(`${METHOD} ${priority} ${body}`));
  const headers = fieldTable({ a: "b" });
  const both = `02 0001 0000001c 003c 0000 0000000000000002 3800 ${
    headers.toString("hex")
  } 02 09 ce`;
  assertEquals(written(content("hi", { priority: 9, headers })), hex(`${METHOD} ${both} ${body}`));
});

test("PublishFrames writes no body frame for nothing", () => {
  const header = "02 0001 0000000f 003c 0000 0000000000000000 1000 02 ce";
  assertEquals(written(content(new Uint8Array())), hex(`${METHOD} ${header}`));
});

test("PublishFrames cuts a long body into frames that the server takes", () => {
  const longest = FRAME_MAX - 8;
  for (const length of [longest, longest + 1, 2 * longest, 3 * longest + 5]) {
    const all = Buffer.from(written(content("x".repeat(length))), "hex");
    let at = all.indexOf(0x03, hex(METHOD).length / 2 + 23);
    let seen = 0;
    while (at < all.length) {
      assertEquals(all[at], 3);
      const size = all.readUInt32BE(at + 3);
      assertEquals(size, Math.min(longest, length - seen));
      assertEquals(all.subarray(at + 7, at + 7 + size).toString(), "x".repeat(size));
      assertEquals(all[at + 7 + size], 0xce);
      seen += size;
      at += size + 8;
    }
    assertEquals(seen, length);
  }
});

test("PublishFrames writes text beyond ASCII in UTF-8", () => {
  assertEquals(written(content("ż")).slice(-20), hex("03 0001 00000002 c5bc ce").slice(-20));
});

test("PublishFrames refuses a queue whose name is too long for AMQP", () => {
  const frames = new PublishFrames(1, FRAME_MAX, true);
  assertThrows(() => frames.size(content("", { queueName: "q".repeat(256) })), TypeError, "255");
});

test("fieldTable writes text, numbers, dates, lists and tables with their types", () => {
  const table = fieldTable({ s: "é", l: -2, t: new Date(5_000), a: ["x"], f: { k: 1 } });
  const fields = [
    "01 73 53 00000002 c3a9",
    "01 6c 6c fffffffffffffffe",
    "01 74 54 0000000000000005",
    "01 61 41 00000006 53 00000001 78",
    "01 66 46 0000000b 01 6b 6c 0000000000000001",
  ];
  const all = hex(fields.join(""));
  assertEquals(table.toString("hex"), (all.length / 2).toString(16).padStart(8, "0") + all);
});
