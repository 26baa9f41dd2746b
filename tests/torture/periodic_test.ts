import { assert, assertEquals } from "@std/assert";
import { testLong } from "../servers/own.ts";
import { torturePeriodic } from "./periodic_torture.ts";

for (const broker of ["redis", "sqlite"] as const) {
  testLong("redis-server")(
    `each tick on ${broker} stores one message while workers are killed and stopped`,
    async () => {
      const report = await torturePeriodic({
        broker,
        ticks: 40,
        every: 100,
        workers: 4,
        pause: 800,
        seed: 7,
      });
      assertEquals([report.missing, report.doubled], [[], []]);
      assert(report.ticks >= 40 && report.kills + report.stops > 0);
    },
  );
}
