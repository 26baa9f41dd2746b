import { assertEquals } from "@std/assert";
import { test } from "../support/test.ts";
import { type Incident, Incidents } from "./causes.ts";
import type { Entry } from "./journal.ts";
import { Ledger } from "./ledger.ts";
import { judge, type Verdict } from "./verdict.ts";

const SLACK = 1_000;
/** Long after anything could still be the effect of something else. */
const LATER = 60_000;

/** The verdict on one message, sent at 0, and what two workers noted of it. */
function judgeOne(
  entries: readonly (readonly [process: string, entry: Entry])[],
  ...incidents: Incident[]
): Verdict {
  const ledger = new Ledger();
  ledger.add("producer 2.0", { kind: "sent", number: 1, from: 0, at: 10 });
  for (const [process, entry] of entries) ledger.add(process, entry);
  return judge(ledger, new Incidents(incidents, SLACK));
}

function begun(at: number, { attempt = 0, delivery = "a" } = {}): Entry {
  return { kind: "begun", number: 1, at, run: at, attempt, delivery };
}

function done(at: number, run: number): Entry {
  return { kind: "done", number: 1, at, run };
}

function failed(at: number, run: number): Entry {
  return { kind: "failed", number: 1, at, run };
}

test("judge finds nothing in a message that ran once", () => {
  const verdict = judgeOne([["worker 0.0", begun(20)], ["worker 0.0", done(30, 20)]]);
  assertEquals([verdict.sent, verdict.runs], [1, 1]);
  assertEquals([verdict.lost, verdict.unexplained], [[], []]);
  assertEquals(verdict.duplicates.size, 0);
});

test("judge finds a message that never ran, only began, or only failed", () => {
  assertEquals(judgeOne([]).lost, [1]);
  assertEquals(judgeOne([["worker 0.0", begun(20)]]).lost, [1]);
  assertEquals(judgeOne([["worker 0.0", begun(20)], ["worker 0.0", failed(30, 20)]]).lost, [1]);
});

test("judge does not miss a message whose send rejected, and counts it", () => {
  const ledger = new Ledger();
  const rejected = { kind: "rejected", from: 0, at: 10, error: "ConnectionClosed" } as const;
  ledger.add("producer 2.0", { ...rejected, number: 1 });
  ledger.add("producer 2.0", { ...rejected, number: 2 });
  ledger.add("worker 0.0", begun(20));
  ledger.add("worker 0.0", done(30, 20));
  const verdict = judge(ledger, new Incidents([], SLACK));
  assertEquals(verdict.lost, []);
  assertEquals([...verdict.rejected], [["ConnectionClosed", 2]]);
  assertEquals(verdict.rejectedButDone, 1);
});

test("judge finds a message that was never sent", () => {
  const ledger = new Ledger();
  ledger.add("worker 0.0", begun(20));
  assertEquals(judge(ledger, new Incidents([], SLACK)).strange, [1]);
});

test("judge takes a retry for what it is", () => {
  const verdict = judgeOne([
    ["worker 0.0", begun(20)],
    ["worker 0.0", failed(30, 20)],
    ["worker 1.0", begun(90, { attempt: 1, delivery: "b" })],
    ["worker 1.0", done(95, 90)],
  ]);
  assertEquals([verdict.runs, verdict.failedRuns], [2, 1]);
  assertEquals([verdict.lost, verdict.unexplained], [[], []]);
});

const twice: [string, Entry][] = [
  ["worker 0.0", begun(20)],
  ["worker 0.0", done(30, 20)],
  ["worker 1.0", begun(2_000)],
  ["worker 1.0", done(2_010, 2_000)],
];

test("judge finds a second run without a cause", () => {
  assertEquals(judgeOne(twice).unexplained, [1]);
});

test("judge does not take what happened long after, or to others, for a cause", () => {
  const faults: Incident[] = [
    { kind: "kill", target: "worker 0.0", from: LATER, to: LATER },
    { kind: "kill", target: "worker 2.0", from: 31, to: 32 },
    { kind: "restart", target: undefined, from: LATER, to: LATER + 100 },
    { kind: "pause", target: "worker 2", from: 25, to: 100 },
  ];
  for (const fault of faults) assertEquals(judgeOne(twice, fault).unexplained, [1], fault.kind);
});

test("judge explains a second run by what happened to the worker of the first", () => {
  const causes: [Incident, string][] = [
    [
      { kind: "kill", target: "worker 0.0", from: 31, to: 40 },
      "killed before the acknowledgement was through",
    ],
    [{ kind: "cut", target: "worker 0", from: 25, to: 26 }, "cut around the first run"],
    [{ kind: "freeze", target: undefined, from: 5, to: 3_000 }, "freeze around the first run"],
    [{ kind: "restart", target: undefined, from: 31, to: 500 }, "restart around the first run"],
    [
      { kind: "pause", target: "worker 1", from: 25, to: 1_999 },
      "pause around the second run, by who had lost it",
    ],
    [{ kind: "cut", target: "producer 2", from: 5, to: 6 }, "cut while it was sent"],
  ];
  for (const [incident, cause] of causes) {
    const verdict = judgeOne(twice, incident);
    assertEquals([...verdict.duplicates], [[cause, 1]]);
    assertEquals(verdict.unexplained, []);
  }
});

test("judge counts runs that a kill cut short", () => {
  const kill: Incident = { kind: "kill", target: "worker 0.0", from: 25, to: 26 };
  const verdict = judgeOne(twice.filter(([, { kind, at }]) => kind !== "done" || at > 30), kill);
  assertEquals([verdict.cutShort, verdict.recoveries], [1, [1_975]]);
  assertEquals([...verdict.duplicates], [["killed while it ran", 1]]);
});

test("judge tells a message that was stored twice from one that was given out twice", () => {
  const runs = (delivery: string): [string, Entry][] => [
    ["worker 0.0", begun(20)],
    ["worker 0.0", done(30, 20)],
    ["worker 1.0", begun(200, { delivery })],
    ["worker 1.0", done(210, 200)],
  ];
  const cut: Incident = { kind: "cut", target: "worker 0", from: 25, to: 26 };
  assertEquals(judgeOne(runs("a"), cut).unexplained, []);
  assertEquals(judgeOne(runs("b"), cut).unexplained, [1]);
});

test("judge explains a retry that ran twice by the attempt before, or by an outage", () => {
  const retries: [string, Entry][] = [
    ["worker 1.0", begun(90, { attempt: 1, delivery: "b" })],
    ["worker 1.0", done(95, 90)],
    ["worker 1.0", begun(190, { attempt: 1, delivery: "c" })],
    ["worker 1.0", done(195, 190)],
  ];
  const once: [string, Entry][] = [["worker 0.0", begun(20)], ["worker 0.0", failed(30, 20)]];
  const again: [string, Entry][] = [["worker 1.0", begun(40)], ["worker 1.0", failed(50, 40)]];
  const cut: Incident = { kind: "cut", target: "worker 0", from: 25, to: 31 };

  assertEquals(judgeOne([...once, ...retries]).unexplained, [1]);
  assertEquals([...judgeOne([...once, ...retries], cut).duplicates.keys()], [
    "cut while the retry was stored",
  ]);
  assertEquals([...judgeOne([...once, ...again, ...retries], cut).duplicates.keys()], [
    "cut around the first run",
    "the attempt before ran twice",
  ]);
});

test("judge explains a second run of a broker that gives no ids by whatever may have happened", () => {
  const runs: [string, Entry][] = [
    ["worker 0.0", begun(5_020, { delivery: "" })],
    ["worker 0.0", done(5_030, 5_020)],
    ["worker 1.0", begun(9_000, { delivery: "" })],
    ["worker 1.0", done(9_010, 9_000)],
  ];
  const moving = (process: string, at: number): [string, Entry] => [
    process,
    { kind: "moving", number: 1, at, attempt: 0 },
  ];
  const moved = [moving("worker 2.0", 4_000), moving("worker 1.0", 8_900), ...runs];
  const kill: Incident = { kind: "kill", target: "worker 2.0", from: 4_001, to: 4_010 };
  const cut: Incident = { kind: "cut", target: "worker 2", from: 4_001, to: 4_002 };
  const early: Incident = { kind: "cut", target: "worker 3", from: 1_500, to: 1_501 };

  assertEquals(judgeOne(runs).unexplained, [1]);
  assertEquals(judgeOne(moved).unexplained, [1]);
  assertEquals(judgeOne(runs, kill, cut, early).unexplained, [1]);
  const causes = [kill, cut, early].map((fault) => [...judgeOne(moved, fault).duplicates.keys()]);
  assertEquals(causes, [
    ["killed while it was put on its queue"],
    ["cut while it was put on its queue"],
    ["some fault while it was delayed, of which two came back"],
  ]);
});
