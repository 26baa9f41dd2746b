import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { IndexedSet, type IndexedSetItem } from "../../platform/indexed_set.ts";
import { test } from "../support/test.ts";

const item = (name: number): IndexedSetItem & { name: number } => ({ name, setIndex: -1 });

test("IndexedSet has the same items as a Set after any additions and deletions", () => {
  const operation = fc.tuple(fc.boolean(), fc.nat(9));
  fc.assert(fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
    const items = Array.from({ length: 10 }, (_, i) => item(i));
    const set = new IndexedSet<typeof items[number]>();
    const model = new Set<IndexedSetItem>();
    for (const [isAdded, i] of operations) {
      const one = items[i]!;
      if (!isAdded) assertEquals(set.delete(one), model.delete(one));
      else if (!model.has(one)) {
        set.add(one);
        model.add(one);
      }
      assertEquals(set.size, model.size);
      assertEquals(new Set(set), model);
      for (const each of items) assertEquals(set.has(each), model.has(each));
    }
  }));
});

test("IndexedSet can be emptied while it is iterated", () => {
  const set = new IndexedSet<IndexedSetItem>();
  const items = [item(0), item(1), item(2)];
  for (const one of items) set.add(one);
  const seen: IndexedSetItem[] = [];
  for (const one of set) {
    seen.push(one);
    assert(set.delete(one));
  }
  assertEquals([seen, set.size], [items, 0]);
});
