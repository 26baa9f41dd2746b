import type { Consumer, RedisBroker } from "@dq/dramatiq";
import { FakeClock } from "../../support/fake_clock.ts";
import type { RedisServer } from "../../support/servers/redis.ts";
import { eventually, Stage } from "./stage.ts";

/** A stage with a broker whose clock stands still. */
export function openOne(
  server: RedisServer,
): { readonly clock: FakeClock; readonly stage: Stage; readonly broker: RedisBroker } {
  const clock = new FakeClock();
  const stage = new Stage(server);
  return { clock, stage, broker: stage.open({ clock }) };
}

/** Waits until so many messages of the delay queue of "q" are sorted. */
export function untilSorted(stage: Stage, count: number): Promise<void> {
  return eventually("sort what is delayed", async () => {
    return await stage.command("ZCARD", stage.key("q.DQ.etas")) === count;
  });
}

/** Promotes what a consumer of a delay queue gives, as a worker does, until it is closed. */
export async function promoteAll(broker: RedisBroker, consumer: Consumer): Promise<void> {
  while (true) {
    const due = await consumer.receive(100);
    if (due.length === 0) return;
    await Promise.all(due.map((message) => broker.enqueueDue(message)));
    await consumer.ack(due);
  }
}
