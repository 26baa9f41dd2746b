import { writeFile } from "node:fs/promises";
import { assertEquals } from "@std/assert";
import { Control } from "@dq/dramatiq";
import { eventually } from "../support/servers/until.ts";
import { Fixture, oneRealm } from "../worker/executors/fixture.ts";
import { test } from "../support/test.ts";

const EXECUTORS = oneRealm(1);

for (const [name, make] of Object.entries(EXECUTORS)) {
  test(`${name} opens as many as it is resized to, and lets those retire that are too many`, async () => {
    await using fixture = await Fixture.open(make());
    const control = new Control(fixture.broker);
    const gate = `${fixture.journal}.gate`;
    const gated = (id: string) => fixture.send("gated", [fixture.journal, id, gate]);
    const running = gated("first");
    await fixture.written(1);
    await control.setConcurrency(3);
    const more = [gated("second"), gated("third")];
    await fixture.written(3); // none has ended by then: each runs in one of its own
    await control.setConcurrency(1);
    await eventually("hear of it", () => fixture.worker.executor.concurrency === 1);
    await writeFile(gate, "");
    const fates = await Promise.all([running, ...more]);
    assertEquals(fates.map(({ verdict, result }) => [verdict, result]), [
      ["ack", "first"],
      ["ack", "second"],
      ["ack", "third"],
    ]);
    assertEquals((await gated("last")).result, "last");
    assertEquals((await fixture.lines()).length, 4); // none ran twice
  });
}
