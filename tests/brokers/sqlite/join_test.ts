import { assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import { QueueJoinTimeout, SqliteBroker } from "@dq/dramatiq";
import { systemClock } from "../../../platform/clock.ts";
import { work } from "../../conformance/broker_messages.ts";
import { test } from "../../support/test.ts";

test("SqliteBroker.join ends in time though its timer fires early", async () => {
  const setTimer = (callback: () => void, ms: number) => systemClock.setTimer(callback, ms / 2);
  const clock = { ...systemClock, setTimer };
  await using broker = new SqliteBroker({ path: ":memory:", clock });
  await broker.enqueue(work("q", 1));
  const joining = broker.join("q", { timeout: 50 });
  await deadline(assertRejects(() => joining, QueueJoinTimeout), 10_000);
});
