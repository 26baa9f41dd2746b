import { readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  type Executor,
  Message,
  type Middleware,
  Pipelines,
  Retry,
  Shutdown,
  TimeLimitExceeded,
} from "@dq/dramatiq";
import {
  Deadly,
  Expected,
  FAILURES,
  Fatal,
  VALUES,
  watchRealm,
} from "../worker/executors/actors.ts";
import { ACTORS, Fixture } from "../worker/executors/fixture.ts";
import { after, skip, test } from "../support/test.ts";

/** An executor that is to show what executors do. */
export interface ExecutorSubject {
  /** Its class. */
  readonly name: string;
  /**
   * Makes one that runs so many messages at once, in one realm.
   *
   * @param module What the realm imports. @default {ACTORS}
   */
  make(concurrency: number, module?: string): Executor;
  /** True if actors run in the realm of the worker. */
  readonly isInline?: boolean;
  /** Rules that it cannot keep: the rule, and why. */
  readonly skips?: Readonly<Record<string, string>>;
}

/**
 * Rules of every executor, as a user of the worker sees it.
 *
 * @param subject The executor.
 */
export function testExecutor(subject: ExecutorSubject): void {
  const { name, make, skips = {} } = subject;
  const check = (rule: string, body: () => Promise<void>) =>
    skips[rule] === undefined
      ? test(`${name} ${rule}`, body)
      : skip(`${name} ${rule}`, skips[rule]);

  /** For those that need nothing of their own: to start a realm takes longer than all of them. */
  let shared: Promise<Fixture> | undefined;
  const sharedFixture = () => shared ??= Fixture.open(make(8));
  after(async () => await (await shared)?.[Symbol.asyncDispose]());

  check("gives back what the actor returns, at once or later", async () => {
    const fixture = await sharedFixture();
    for (const actorName of ["values", "valuesLater"]) {
      for (const [i, value] of VALUES.entries()) {
        const { verdict, result } = await fixture.send(actorName, [i]);
        assertEquals([verdict, result], ["ack", value], `${actorName} ${i}`);
      }
    }
  });

  check("runs a message that snoozes again, with its count", async () => {
    const fixture = await sharedFixture();
    const { verdict, result } = await fixture.send("snoozing", []);
    assertEquals([verdict, result], ["ack", 2]);
  });

  check("hands over arguments as they were sent", async () => {
    const fixture = await sharedFixture();
    const args = VALUES.slice(1);
    const { result } = await fixture.send("echo", args, { kwargs: { a: 1, "é": [2] } });
    assertEquals(result, [...args, { a: 1, "é": [2] }]);
  });

  check("keeps the spelling of numbers that only pass through", async () => {
    const fixture = await sharedFixture();
    const message = fixture.broker.getActor("raw").message();
    const text = (message.encode() as string)
      .replace('"args":[]', '"args":[1.0,9007199254740993,1e-05,-0,{"2":1,"1":NaN}]');
    const { result } = await fixture.sendMessage(Message.decode(text));
    assertEquals(result, text);
  });

  check("hands over what a middleware made of the message", async () => {
    const change: Middleware = {
      beforeProcessMessage(_broker, delivery) {
        delivery.message = delivery.message.copy({
          args: ["changed", 2.5],
          options: { retries: 3 },
        });
      },
    };
    await using fixture = await Fixture.open(make(8), change);
    assertEquals((await fixture.send("echo", [1])).result, ["changed", 2.5]);
    const [isSame, , options] = (await fixture.send("who", [])).result as unknown[];
    assertEquals([isSame, options], [true, { retries: 3 }]);
  });

  check("lets the actor see its message, also after a wait", async () => {
    const fixture = await sharedFixture();
    const fates = await Promise.all(
      Array.from({ length: 20 }, (_, i) => fixture.send("who", [i], { retries: i })),
    );
    for (const [i, { result, delivery }] of fates.entries()) {
      assertEquals(result, [true, delivery.messageId, { retries: i }, "default", [i]]);
    }
  });

  check("calls wrapActor and the hooks of threads where the actor runs", async () => {
    const journal = join(tmpdir(), `dramatiq-${crypto.randomUUID()}`);
    const module = `${journal}.mjs`;
    await writeFile(
      module,
      `import { broker, watchRealm } from ${JSON.stringify(ACTORS)};\n` +
        `watchRealm(broker, ${JSON.stringify(journal)});\nexport { broker };\n`,
    );
    try {
      const fixture = await Fixture.open(make(1, module));
      if (subject.isInline) watchRealm(fixture.broker, journal);
      const { result } = await fixture.send("who", []);
      assertEquals((result as unknown[])[0], "wrapped");
      await fixture[Symbol.asyncDispose]();
      // Inline, the middleware came when the realm was up.
      const text = await readFile(journal, "utf8");
      assertEquals(text, subject.isInline ? "shutdown\n" : "boot\nshutdown\n");
    } finally {
      for (const path of [journal, module]) await rm(path, { force: true });
    }
  });

  check("tells errors with name, message, stack, cause and fields", async () => {
    const fixture = await sharedFixture();
    const fail = async (which: string) => {
      const { verdict, exception } = await fixture.send("failing", [which]);
      assertEquals(verdict, "nack");
      return exception as Error & Record<string, unknown>;
    };
    const plain = await fail("plain");
    assertInstanceOf(plain, TypeError);
    assertInstanceOf(plain.cause, RangeError);
    assertEquals([plain.name, plain.message], ["TypeError", "no such thing"]);
    assertEquals([plain.cause.name, plain.cause.message], ["RangeError", "too far"]);
    assert(plain.stack!.includes("actors.ts"), plain.stack);
    const fields = await fail("fields");
    assertEquals([fields["code"], fields["left"]], [402, [1, 2]]);
    const deadly = await fail("deadly");
    assertEquals([deadly.name, deadly.message], ["deadly error", "the end"]);
    assertInstanceOf(deadly, Fatal);
    assertEquals(deadly instanceof Deadly, subject.isInline === true); // it was not told of that
    const aggregate = await fail("aggregate") as unknown as AggregateError;
    assertInstanceOf(aggregate, AggregateError);
    assertEquals([(aggregate.errors[0] as Error).message, aggregate.errors[1]], ["a", "b"]);
    assertEquals((await fail("abort")).name, "AbortError");
    assertEquals(await fail("text") as unknown, "just text");
    assertEquals(await fail("object") as unknown, { reason: "an object" });
    assertInstanceOf(await fail("nothing"), Error); // a failure like any other
  });

  check("lets throws, Retry and SkipMessage do what they do", async () => {
    let attempts = 0;
    const count: Middleware = { afterProcessMessage: () => void attempts++ };
    await using fixture = await Fixture.open(make(8), count);
    const expected = await fixture.send("failingLater", ["expected"]);
    assertEquals([expected.verdict, attempts], ["nack", 1]); // `throws`: not retried
    assertInstanceOf(expected.exception, Expected);
    assertEquals(expected.exception.code, 42);
    assertEquals((await fixture.send("failing", ["skip"])).verdict, "ack");
    attempts = 0;
    const retried = await fixture.send("failingLater", ["retry"]); // in 5 ms, not in 15 s
    assertEquals([retried.verdict, attempts, retried.delivery.options.retries], ["nack", 2, 2]);
  });

  check("lets retryWhen tell errors by their class", async () => {
    const seen: unknown[] = [];
    const fixture = await sharedFixture();
    Object.assign(fixture.broker.getActor("failingOften").options, {
      retryWhen: (_retries: number, error: unknown) => seen.push(error instanceof Fatal) < 0,
    });
    for (const which of ["deadly", "plain"]) await fixture.send("failingOften", [which]);
    assertEquals(seen, [true, false]);
  });

  check("fails a result that no encoder can carry only if it is stored", async () => {
    await using fixture = await Fixture.open(make(8), new Pipelines());
    for (const actorName of ["unfit", "unfitFunction"]) {
      const { verdict, exception } = await fixture.send(actorName, []);
      assertEquals([verdict, exception], ["ack", undefined]);
      const target = fixture.broker.getActor("echo").message();
      const piped = await fixture.send(actorName, [], { pipeTarget: target.asDict() });
      assertEquals(piped.verdict, "nack", `${actorName} piped`);
    }
  });

  check("runs as many at once as it says, and never more", async () => {
    await using fixture = await Fixture.open(make(3));
    assertEquals(fixture.worker.executor.concurrency, 3);
    let most = 0;
    const count = () => void (most = Math.max(most, fixture.worker.running.length));
    fixture.broker.addMiddleware({ beforeProcessMessage: count });
    const fates = Array.from({ length: 5 }, () => fixture.send("polite", [fixture.journal]));
    for (const { result } of await Promise.all(fates)) assertEquals(result, "TimeLimitExceeded");
    assertEquals(most, 3);
  });

  check("runs each message of a backlog once", async () => {
    await using fixture = await Fixture.open(make(8));
    const ids = Array.from({ length: 1_000 }, (_, i) => `${i}`);
    const fates = await Promise.all(ids.map((id) => fixture.send("noted", [fixture.journal, id])));
    assertEquals(fates.map(({ result }) => result), ids);
    assertEquals((await fixture.lines()).toSorted(), ids.toSorted());
  });

  check("has the signal abort at the time limit, and fails what lets it through", async () => {
    const fixture = await sharedFixture();
    const polite = await fixture.send("polite", [fixture.journal]);
    assertEquals([polite.verdict, polite.result], ["ack", "TimeLimitExceeded"]);
    const { verdict, exception } = await fixture.send("untilAborted", [fixture.journal]);
    assertEquals(verdict, "nack");
    assertInstanceOf(exception, TimeLimitExceeded);
  });

  check("names a failure by the interrupt that led to it, with the error as cause", async () => {
    await using fixture = await Fixture.open(make(8));
    const server = createServer(() => {}); // it never answers
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const run = (how: string) => fixture.send("interrupted", [fixture.journal, how, url]);
    const exceeded = ["sleep", "fetch", "anySignal", "ownController", "wrapped", "aggregate"];
    for (const how of exceeded) {
      const { verdict, exception, delivery } = await run(how);
      assertEquals(verdict, "nack", how);
      assertInstanceOf(exception, TimeLimitExceeded, how);
      assertEquals(exception.name, "TimeLimitExceeded");
      assert(exception.message.includes("ran too long"), exception.message);
      const { traceback } = delivery.deadLetter.options;
      assert(traceback!.startsWith("TimeLimitExceeded: Message "), traceback);
      if (how === "fetch") continue; // it may reject with the interrupt itself
      assertInstanceOf(exception.cause, Error, how);
      assert(!(exception.cause instanceof TimeLimitExceeded), how);
      assert(traceback!.includes("Caused by: "), traceback);
    }
    const reason = await run("reason");
    assertInstanceOf(reason.exception, TimeLimitExceeded);
    assertEquals(reason.exception.cause, undefined);
    const unrelated = await run("unrelated");
    assertEquals((unrelated.exception as Error).name, "TypeError");
    assertInstanceOf((await run("retry")).exception, Retry);
    assertEquals((await run("skip")).verdict, "ack");
    server.closeAllConnections();
    await new Promise<unknown>((resolve) => server.close(resolve));
  });

  check("names a failure by the shutdown that led to it", async () => {
    const fixture = await Fixture.open(make(8));
    const fate = fixture.send("interrupted", [fixture.journal, "sleep", ""], { timeLimit: 60_000 });
    await fixture.written(1);
    await fixture.worker.stop(20_000);
    const { verdict, exception } = await fate;
    assertEquals(verdict, "nack");
    assertInstanceOf(exception, Shutdown);
    assertEquals((exception.cause as Error).name, "AbortError");
    await fixture[Symbol.asyncDispose]();
  });

  check("leaves an AbortError alone that came without an interrupt", async () => {
    const fixture = await sharedFixture();
    const { exception } = await fixture.send("failing", ["abort"]);
    assertEquals((exception as Error).name, "AbortError");
  });

  check("has the signal abort when the worker stops, for those who want to know", async () => {
    const fixture = await Fixture.open(make(8));
    const fate = fixture.send("patient", [fixture.journal]);
    await fixture.written(1);
    await fixture.worker.stop(20_000);
    const { verdict, result } = await fate;
    assertEquals([verdict, result], ["ack", Shutdown.name]);
    await fixture[Symbol.asyncDispose]();
  });

  check("gives back what does not end when the worker stops", async () => {
    const fixture = await Fixture.open(make(8));
    fixture.send("endless", [fixture.journal]);
    await fixture.written(1);
    await fixture.worker.stop(0);
    await using consumer = fixture.broker.consume("default");
    const [delivery] = await consumer.receive(1);
    assertEquals([delivery?.actorName, delivery?.options], ["endless", {}]);
    await fixture[Symbol.asyncDispose]();
  });

  check("survives whatever is thrown", async () => {
    const fixture = await sharedFixture();
    for (const which of Object.keys(FAILURES)) await fixture.send("failing", [which]);
    assertEquals((await fixture.send("echo", ["alive"])).result, ["alive"]);
  });
}
