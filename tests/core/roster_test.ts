import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Roster, type RosterItem } from "../../core/roster.ts";
import { test } from "../support/test.ts";

const item = (name: number): RosterItem & { name: number } => ({ name, rosterIndex: -1 });

test("Roster holds what a Set would, whatever is added and taken off", () => {
  const operation = fc.tuple(fc.boolean(), fc.nat(9));
  fc.assert(fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
    const items = Array.from({ length: 10 }, (_, i) => item(i));
    const roster = new Roster<typeof items[number]>();
    const model = new Set<RosterItem>();
    for (const [isAdded, i] of operations) {
      const one = items[i]!;
      if (!isAdded) assertEquals(roster.delete(one), model.delete(one));
      else if (!model.has(one)) {
        roster.add(one);
        model.add(one);
      }
      assertEquals(roster.size, model.size);
      assertEquals(new Set(roster), model);
      for (const each of items) assertEquals(roster.has(each), model.has(each));
    }
  }));
});

test("Roster can be emptied while it is gone through", () => {
  const roster = new Roster<RosterItem>();
  const items = [item(0), item(1), item(2)];
  for (const one of items) roster.add(one);
  const seen: RosterItem[] = [];
  for (const one of roster) {
    seen.push(one);
    assert(roster.delete(one));
  }
  assertEquals([seen, roster.size], [items, 0]);
});
