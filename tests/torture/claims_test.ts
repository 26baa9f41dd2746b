import { assert, assertEquals } from "@std/assert";
import { testLong } from "../servers/own.ts";
import { test } from "../support/test.ts";
import { judgeClaims } from "./claims/journal.ts";
import { tortureClaims } from "./claims/torture.ts";

test("judgeClaims finds messages that were lost, and those that were stored beside another", () => {
  const verdict = judgeClaims(
    ["stored a 1", "duplicate a 1", "ended a 1", "stored b 1", "stored c 1", "ended c 1"].join(
      "\n",
    ),
  );
  assertEquals([verdict.stored, verdict.duplicates], [3, 1]);
  assertEquals([verdict.lost, verdict.doubled, verdict.strangers], [["b"], ["c"], []]);
  assertEquals(judgeClaims("stored a 1\nduplicate a 2\nended a 1\n").strangers, ["a"]);
});

testLong("redis-server")(
  "unique messages are neither lost nor doubled, and no claim is stuck, while workers are killed",
  async () => {
    const report = await tortureClaims({
      ...{ broker: "redis", messages: 1_000, kills: 4, workers: 2, keys: 60, seed: 3 },
    });
    const { lost, doubled, strangers, stuck } = report;
    assertEquals({ lost, doubled, strangers, stuck }, {
      ...{ lost: [], doubled: [], strangers: [], stuck: [] },
    });
    assert(report.kills >= 4 && report.duplicates > 0, JSON.stringify(report));
  },
);
