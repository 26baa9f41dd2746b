import { assertEquals, assertRejects } from "@std/assert";
import {
  actor,
  type Message,
  Results,
  setBroker,
  StubBroker,
  StubResultBackend,
  Worker,
} from "@dq/dramatiq";
import { test } from "../support/test.ts";

/** A broker whose server takes messages when the test lets it. */
class FrozenBroker extends StubBroker {
  readonly thawed: PromiseWithResolvers<void> = Promise.withResolvers();

  protected override async store(messages: readonly Message[]): Promise<void> {
    await this.thawed.promise;
    await super.store(messages);
  }
}

test("A send ends with the reason of its signal while the server does not answer", async () => {
  const broker = new FrozenBroker();
  const ran: number[] = [];
  const note = actor((n: number) => void ran.push(n), { actorName: "note", broker });
  const reason = new Error("enough");
  const controller = new AbortController();
  const { signal } = controller;
  const sends = [
    note.sendWithOptions({ args: [1], signal }),
    note.sendMany([[2]], { signal }),
  ];
  const failures = sends.map((send) => assertRejects(() => send));
  controller.abort(reason);
  assertEquals(await Promise.all(failures), [reason, reason]);
  broker.thawed.resolve();
  const sent = await note.sendWithOptions({ args: [3], signal: new AbortController().signal });
  assertEquals(sent.options, {}); // the signal does not travel
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("default");
  assertEquals(ran, [1, 2, 3]); // what was on its way has arrived
});

test("Message.getResult asks the broker that it was sent with", async () => {
  const other = new StubBroker();
  setBroker(other);
  const broker = new StubBroker();
  broker.addMiddleware(new Results({ backend: new StubResultBackend(), storeResults: true }));
  const double = actor((n: number) => n * 2, { actorName: "double", broker });
  await using worker = new Worker(broker);
  await worker.start();
  const kept = double.message(4);
  await broker.enqueue(kept);
  const messages = [
    await double.send(1),
    await double.sendWithOptions({ args: [2], delay: 1 }),
    ...await double.sendMany([[3]]),
    kept,
  ];
  const results = messages.map((message) => message.getResult({ block: true }));
  assertEquals(await Promise.all(results), [2, 4, 6, 8]);
});
