import { assertEquals, assertThrows } from "@std/assert";
import {
  assertQueueName,
  canonicalQueueName,
  deadLetterQueueName,
  delayQueueName,
} from "../../core/queue_names.ts";
import { test } from "../support/test.ts";

/** A queue, its delay queue, its dead letter queue and its canonical name. */
const NAMES: readonly (readonly [string, string, string, string])[] = [
  ["default", "default.DQ", "default.XQ", "default"],
  ["default.DQ", "default.DQ", "default.XQ", "default"],
  ["default.XQ", "default.DQ", "default.XQ", "default"],
  ["a.b-c_1", "a.b-c_1.DQ", "a.b-c_1.XQ", "a.b-c_1"],
  ["a.DQ.b", "a.DQ.b.DQ", "a.DQ.b.XQ", "a.DQ.b"],
  ["aDQ", "aDQ.DQ", "aDQ.XQ", "aDQ"],
  ["a.dq", "a.dq.DQ", "a.dq.XQ", "a.dq"],
];

test("delayQueueName replaces .XQ, and adds .DQ once", () => {
  for (const [name, delay] of NAMES) assertEquals(delayQueueName(name), delay);
});

test("deadLetterQueueName replaces .DQ, and adds .XQ once", () => {
  for (const [name, , dead] of NAMES) assertEquals(deadLetterQueueName(name), dead);
});

test("canonicalQueueName takes off .DQ or .XQ", () => {
  for (const [name, , , canonical] of NAMES) assertEquals(canonicalQueueName(name), canonical);
});

test("assertQueueName takes letters, digits, dot, underscore and hyphen", () => {
  for (const name of ["default", "_q.with-dots_9", "Q", "_", "a1", "a..b"]) {
    assertQueueName(name);
  }
});

test("assertQueueName refuses the names of delay and dead letter queues", () => {
  for (const name of ["default.DQ", "a.XQ", "a.DQ.DQ"]) {
    const { message } = assertThrows(() => assertQueueName(name), TypeError);
    assertEquals(
      message,
      `Cannot declare queue "${name}": names that end in .DQ or .XQ are those of the delayed ` +
        "messages and dead letters of a queue",
    );
  }
});

test("assertQueueName names what cannot be a queue, and the rule", () => {
  const names = ["", "1a", ".a", "-a", "a b", "a\n", "a/b", "zażółć", "a:b", "{a}", 5, null];
  for (const name of names) {
    const { message } = assertThrows(() => assertQueueName(name as string), TypeError);
    assertEquals(
      message,
      `Cannot declare queue ${JSON.stringify(name)}: names start with a letter or underscore ` +
        'and hold letters, digits, "." "_" "-"',
    );
  }
});
