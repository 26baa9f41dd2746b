import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Fifo } from "../../platform/fifo.ts";
import { WorkQueue } from "../../worker/work_queue.ts";
import { test } from "../support/test.ts";

test("WorkQueue.shift gives lower priorities first, and within one first in, first out", () => {
  const queue = new WorkQueue<string>();
  queue.push("a5", 5);
  queue.push("b0", 0);
  queue.push("c5", 5);
  queue.push("d-1", -1);
  queue.push("e0", 0);
  queue.push("f0.5", 0.5);
  queue.push("g", Infinity);
  assertEquals(queue.size, 7);
  assertEquals(queue.drain(), ["d-1", "b0", "e0", "f0.5", "a5", "c5", "g"]);
  assertEquals(queue.size, 0);
});

test("WorkQueue.shift gives a later item of a lower priority before an earlier one", () => {
  const queue = new WorkQueue<string>();
  queue.push("usual", 0);
  assertEquals(queue.shift(), "usual");
  queue.push("usual again", 0);
  queue.push("urgent", -10);
  assertEquals(queue.shift(), "urgent");
  assertEquals(queue.shift(), "usual again");
  assertEquals(queue.shift(), undefined);
});

test("WorkQueue.drain of an empty queue gives nothing, and the queue goes on", () => {
  const queue = new WorkQueue<number>();
  assertEquals(queue.drain(), []);
  assertEquals(queue.shift(), undefined);
  queue.push(1, 0);
  assertEquals([queue.size, queue.shift(), queue.size], [1, 1, 0]);
});

test("WorkQueue does what a sorted list does, whatever comes in between", () => {
  const priority = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ noNaN: true }));
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ push: priority }) },
    { weight: 5, arbitrary: fc.constant("shift" as const) },
    { weight: 1, arbitrary: fc.constant("drain" as const) },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const queue = new WorkQueue<number>();
    let model: { item: number; priority: number }[] = [];
    for (const [item, step] of steps.entries()) {
      if (step === "shift") {
        assertEquals(queue.shift(), model.shift()?.item);
      } else if (step === "drain") {
        assertEquals(queue.drain(), model.map((one) => one.item));
        model = [];
      } else {
        queue.push(item, step.push);
        model.push({ item, priority: step.push });
        model.sort((a, b) => a.priority - b.priority); // stable
      }
      assertEquals(queue.size, model.length);
    }
  }));
});

test("Fifo does what an array does", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constant("push" as const) },
    { weight: 6, arbitrary: fc.constant("shift" as const) },
    { weight: 2, arbitrary: fc.record({ unshift: fc.integer({ min: 0, max: 4 }) }) },
    { weight: 1, arbitrary: fc.constant("clear" as const) },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const fifo = new Fifo<number>();
    const model: number[] = [];
    let next = 0;
    for (const step of steps) {
      if (step === "push") {
        fifo.push(next);
        model.push(next++);
      } else if (step === "shift") {
        assertEquals(fifo.shift(), model.shift());
      } else if (step === "clear") {
        fifo.clear();
        model.length = 0;
      } else {
        const items = Array.from({ length: step.unshift }, () => next++);
        fifo.unshift(items);
        model.unshift(...items);
      }
      assertEquals(fifo.size, model.length);
    }
    for (const item of model) assertEquals(fifo.shift(), item);
    assertEquals(fifo.shift(), undefined);
  }));
});

test("Fifo keeps its order when it grows and shrinks by thousands", () => {
  const fifo = new Fifo<number>();
  let pushed = 0;
  let shifted = 0;
  // Beyond the size from which on it lets go of the places at its head.
  for (const [push, shift] of [[3_000, 2_500], [5_000, 1_500], [0, 3_999], [100, 101]] as const) {
    for (let i = 0; i < push; i++) fifo.push(pushed++);
    for (let i = 0; i < shift; i++) assertEquals(fifo.shift(), shifted++);
    assertEquals(fifo.size, pushed - shifted);
  }
  fifo.push(7);
  fifo.unshift([5, 6]);
  assertEquals([fifo.shift(), fifo.shift(), fifo.shift(), fifo.shift()], [5, 6, 7, undefined]);
});

test("Fifo gives undefined back as an item like any other", () => {
  const fifo = new Fifo<number | undefined>();
  fifo.push(undefined);
  fifo.push(1);
  assertEquals(fifo.size, 2);
  assertEquals([fifo.shift(), fifo.size, fifo.shift()], [undefined, 1, 1]);
});
