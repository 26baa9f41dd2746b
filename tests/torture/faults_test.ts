import { assertEquals, assertNotEquals } from "@std/assert";
import { test } from "../support/test.ts";
import { planFaults } from "./faults.ts";

const options = { faults: 11, workers: 2, producers: 1, heartbeatTimeout: 2_000, seed: 1 };

test("planFaults gives the same faults for the same seed, others for another", () => {
  assertEquals(planFaults(options), planFaults(options));
  assertNotEquals(planFaults(options), planFaults({ ...options, seed: 2 }));
});

test("planFaults has every kind among eleven, whatever the seed", () => {
  for (let seed = 0; seed < 100; seed++) {
    const kinds = new Set(planFaults({ ...options, seed }).map(({ kind }) => kind));
    assertEquals(kinds.size, 6);
  }
});
