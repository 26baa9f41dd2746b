import { assert, assertEquals, assertMatch } from "@std/assert";
import { randomUuid } from "../../platform/runtime.ts";
import { UuidStock } from "../../platform/uuid.ts";
import { test } from "../support/test.ts";

const VERSION_4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

for (
  const [name, make] of [
    ["randomUuid", randomUuid],
    ["UuidStock", takeFrom(new UuidStock())],
  ] as const
) {
  test(`${name} makes distinct UUIDs of version 4`, () => {
    const made = Array.from({ length: 10_000 }, make);
    for (const uuid of made) assertMatch(uuid, VERSION_4);
    assertEquals(new Set(made).size, made.length);
  });

  test(`${name} varies all digits except those of version and variant`, () => {
    const made = Array.from({ length: 10_000 }, make);
    for (let i = 0; i < 36; i++) {
      const found = new Set(made.map((uuid) => uuid[i])).size;
      const expected = i === 14 || "-" === made[0]![i] ? 1 : i === 19 ? 4 : 16;
      assertEquals(found, expected, `at ${i}`);
    }
  });
}

test("UuidStock does not change a UUID that it has returned", () => {
  const stock = new UuidStock();
  const first = stock.take();
  const copy = [...first].join("");
  for (let i = 0; i < 1_000; i++) assert(stock.take() !== first);
  assertEquals(first, copy);
});

function takeFrom(stock: UuidStock): () => string {
  return () => stock.take();
}
