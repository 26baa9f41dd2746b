import { assertEquals, assertThrows } from "@std/assert";
import {
  assertQueueName,
  assertQueueOrDelayQueueName,
  canonicalQueueName,
  deadLetterQueueName,
  delayQueueName,
  MAX_QUEUE_NAME_LENGTH,
  toCanonicalQueueName,
  whatIsWrongWithQueueName,
} from "../../core/queue_names.ts";
import { test } from "../support/test.ts";

/** What the rule says of nothing at all when it has seen nothing else. */
const FIRST_OF_ALL = whatIsWrongWithQueueName("");

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

/** Names that would be those of something else, and what the error says. */
const RESERVED: readonly (readonly [string, string])[] = [
  [
    "default.msgs",
    'names that contain ".DQ." or ".XQ.", or end in .msgs, are those of what is kept',
  ],
  ["default.DQ.etas", 'names that contain ".DQ."'],
  ["default.XQ.msgs", 'names that contain ".DQ."'],
  ["x.DQ.1s", 'names that contain ".DQ."'],
  ["x.DQ.ladder", 'names that contain ".DQ."'],
  ["__heartbeats__", "names that start with two underscores are reserved"],
  ["__acks__.id.q", "names that start with two underscores are reserved"],
  ["amq.gen-1", 'names that start with "amq." are reserved by RabbitMQ'],
];

test("assertQueueName refuses names that brokers need for something else", () => {
  for (const [name, reason] of RESERVED) {
    assertThrows(
      () => assertQueueName(name),
      TypeError,
      `Cannot declare queue "${name}": ${reason}`,
    );
  }
  for (const name of ["msgs", "default.msg", "x.DQs.1s", "_acks_", "amq", "a__b", "x.etas"]) {
    assertQueueName(name);
  }
});

test("assertQueueName leaves room for all suffixes, and shows the beginning of a long name", () => {
  const longest = "q".repeat(MAX_QUEUE_NAME_LENGTH);
  assertQueueName(longest);
  const { message } = assertThrows(() => assertQueueName(`${longest}q`), TypeError);
  assertEquals(
    message,
    `Cannot declare queue "${
      "q".repeat(100)
    }"…: it has 246 characters, and no more than 245 leave ` +
      "room for the suffixes of the queues that belong to it",
  );
});

test("assertQueueOrDelayQueueName takes a queue and its delay queue only", () => {
  const longest = "q".repeat(MAX_QUEUE_NAME_LENGTH);
  for (const name of ["q", "q.DQ", longest, `${longest}.DQ`]) {
    assertQueueOrDelayQueueName(name, "send to queue");
    assertEquals(whatIsWrongWithQueueName(name), undefined);
  }
  for (
    const name of [
      "q.XQ",
      "q.DQ.DQ",
      ".DQ",
      `q${longest}.DQ`,
      ...RESERVED.map(([one]) => one),
    ]
  ) {
    // Twice: a name that was refused is not remembered as a good one.
    for (let times = 0; times < 2; times++) {
      assertThrows(
        () => assertQueueOrDelayQueueName(name, "send to queue"),
        TypeError,
        `Cannot send to queue "${name.slice(0, 100)}"`,
      );
    }
  }
});

test("whatIsWrongWithQueueName refuses an empty name, the first of all, too", () => {
  assertEquals(FIRST_OF_ALL?.startsWith("names start with a letter"), true);
});

test("toCanonicalQueueName takes a queue and those that belong to it", () => {
  for (const name of ["q", "q.DQ", "q.XQ"]) assertEquals(toCanonicalQueueName(name, "flush"), "q");
  for (const name of ["q.msgs", "q.DQ.DQ", "", 5, null]) {
    assertThrows(
      () => toCanonicalQueueName(name as string, "flush queue"),
      TypeError,
      "Cannot flush",
    );
  }
});
