import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { EtaHeap } from "../../platform/eta_heap.ts";
import { test } from "../support/test.ts";

const etas = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 });

test("EtaHeap returns due items by eta, then in the order of adding, and keeps the rest", () => {
  fc.assert(fc.property(etas, fc.integer({ min: 0, max: 20 }), (all, now) => {
    const heap = new EtaHeap<{ eta: number; order: number }>();
    const items = all.map((eta, order) => ({ eta, order }));
    for (const item of items) heap.push(item);
    const sorted = items.toSorted((a, b) => a.eta - b.eta || a.order - b.order);
    const due = [];
    for (let one = heap.shiftDue(now); one !== undefined; one = heap.shiftDue(now)) due.push(one);
    assertEquals(due, sorted.filter(({ eta }) => eta <= now));
    assertEquals(heap.nextEta, sorted.find(({ eta }) => eta > now)?.eta ?? Infinity);
    assertEquals(heap.drain(), sorted.filter(({ eta }) => eta > now));
    assertEquals(heap.size, 0);
  }));
});
