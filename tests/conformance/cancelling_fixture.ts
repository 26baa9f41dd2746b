import { assertEquals, assertRejects } from "@std/assert";
import { type ActorOptions, type Message, ResultFailure } from "@dq/dramatiq";
import type { Fixture, Side } from "./broker_control_harness.ts";

/** Asserts that a message has a result that says so. */
export async function assertCancelledResult(message: Message, reason: string): Promise<void> {
  const error = await assertRejects(
    () => message.getResult({ block: true, timeout: 30_000 }),
    ResultFailure,
  );
  assertEquals([error.origExcType, error.origExcMsg], ["Cancelled", reason]);
}

/** An actor that notes its runs: the number that it got, or its name. */
export function noting(fixture: Fixture, side: Side, actorName: string) {
  const ran: unknown[] = [];
  const note = fixture.actor(side, (n?: number) => void ran.push(n ?? actorName), { actorName });
  return { note, ran };
}

/** A message whose actor runs, and does this. */
export async function running(
  fixture: Fixture,
  side: Side,
  act: () => Promise<unknown>,
  options: ActorOptions = {},
  messageTimestamp: number = Date.now(),
) {
  const started = Promise.withResolvers<void>();
  const run = fixture.actor(side, () => {
    started.resolve();
    return act();
  }, { actorName: "run", ...options });
  const message = await side.broker.enqueue(run.message().copy({ messageTimestamp }));
  const worker = await fixture.work(side);
  await started.promise;
  return { message, worker };
}
