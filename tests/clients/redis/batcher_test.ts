import { assertEquals, assertRejects } from "@std/assert";
import { Batcher } from "../../../clients/redis/batcher.ts";
import { PreparedBatches } from "../../../clients/redis/prepared_batches.ts";
import { nextTurn } from "../../../platform/runtime.ts";
import { test } from "../../support/test.ts";

/** A server that answers when it is told to. */
class SlowServer {
  /** Contents of each call. */
  readonly calls: string[] = [];
  readonly batcher: Batcher = new Batcher(
    ([text]) => this.#receive(`${text}`),
    (args) => [args.join("")],
  );
  readonly #answers: PromiseWithResolvers<void>[] = [];

  /** Answers the calls that came first. */
  async answer(count: number, failure?: Error): Promise<void> {
    for (const answer of this.#answers.splice(0, count)) {
      if (failure === undefined) answer.resolve();
      else answer.reject(failure);
    }
    await nextTurn();
  }

  /** Adds the same letter many times, at once. */
  addAll(letter: string, count: number): Promise<void> {
    const batches = new PreparedBatches(this.batcher);
    for (let i = 0; i < count; i++) batches.add([letter]);
    return batches.send();
  }

  #receive(text: string): Promise<void> {
    this.calls.push(text);
    const answer = Promise.withResolvers<void>();
    this.#answers.push(answer);
    return answer.promise;
  }
}

const sizes = ({ calls }: SlowServer) => calls.map((call) => call.length);

test("Batcher sends an item at once while nothing is under way, and gathers those behind it", async () => {
  const server = new SlowServer();
  const sent = [server.batcher.add(["a"])];
  assertEquals(server.calls, ["a"]);
  for (const letter of "bcd") sent.push(server.batcher.add([letter]));
  assertEquals(server.calls, ["a"]);
  await nextTurn();
  assertEquals(server.calls, ["a", "bcd"]);
  await server.answer(2);
  await Promise.all(sent);
  // Whoever sends the next one when the one before is stored does not wait either.
  const next = server.batcher.add(["e"]).then(() => {
    void server.batcher.add(["f"]);
    assertEquals(server.calls, ["a", "bcd", "e", "f"]);
  });
  await server.answer(1);
  await next;
  await server.answer(1);
});

test("Batcher goes on when an item that was sent at once fails", async () => {
  const server = new SlowServer();
  const failed = assertRejects(() => server.batcher.add(["a"]), Error, "broken");
  const others = [server.batcher.add(["b"]), server.batcher.add(["c"])];
  await server.answer(1, new Error("broken"));
  await failed;
  assertEquals(server.calls, ["a", "bc"]);
  await server.answer(1);
  await Promise.all(others);
  await server.batcher.emptied();
});

test("Batcher.emptied waits for an item that was sent at once", async () => {
  const server = new SlowServer();
  const sent = server.batcher.add(["a"]);
  let isEmptied = false;
  const emptying = server.batcher.emptied().then(() => isEmptied = true);
  await nextTurn();
  assertEquals(isEmptied, false);
  await server.answer(1);
  await Promise.all([sent, emptying]);
});

test("Batcher sends what fills a call at once, whatever is under way", async () => {
  const server = new SlowServer();
  const sent = Array.from({ length: 5_101 }, () => server.batcher.add(["a"]));
  assertEquals(sizes(server), [1, ...Array(20).fill(250)]);
  await nextTurn();
  assertEquals(server.calls.length, 21); // the rest waits until few are under way
  await server.answer(14);
  assertEquals(sizes(server).slice(21), [100]);
  await server.answer(8);
  await Promise.all(sent);
  await server.batcher.emptied();
});

test("Batcher has 16 MiB under way of what fills calls in one turn, and then eight calls", async () => {
  const server = new SlowServer();
  const text = "a".repeat(1_024);
  const sent = Array.from({ length: 24_001 }, () => server.batcher.add([text]));
  // The first one left at once.
  assertEquals(server.calls.length, 1 + Math.ceil(16 * 1_024 * 1_024 / (250 * text.length)));
  await nextTurn();
  assertEquals(server.calls.length, 67);
  await server.answer(59);
  assertEquals(server.calls.length, 67);
  await server.answer(1);
  assertEquals(server.calls.length, 68);
  while (server.calls.length < 97) await server.answer(1);
  await server.answer(8);
  await Promise.all(sent);
});

test("Batcher has eight calls under way of what is added at once", async () => {
  const server = new SlowServer();
  const sent = server.addAll("a", 2_600);
  assertEquals(sizes(server), Array(8).fill(250));
  const one = server.batcher.add(["b"]);
  await nextTurn();
  assertEquals(server.calls.length, 8);
  for (const [answered, calls] of [[1, 9], [1, 10], [1, 11]] as const) {
    await server.answer(answered);
    assertEquals(server.calls.length, calls);
  }
  assertEquals(server.calls.at(-1), "a".repeat(100) + "b");
  await server.answer(8);
  await Promise.all([sent, one]);
});

test("Batcher gathers what comes in several turns while the window is full", async () => {
  const server = new SlowServer();
  const first = server.addAll("a", 2_000);
  const later: Promise<void>[] = [];
  for (const letter of "bcd") {
    later.push(server.batcher.add([letter]));
    await nextTurn();
  }
  assertEquals(server.calls.length, 8);
  await server.answer(1);
  assertEquals(server.calls.at(-1), "bcd");
  await server.answer(8);
  await Promise.all([first, ...later]);
});

test("Batcher puts what is added at once to what was added in the same turn, if there is room", async () => {
  const server = new SlowServer();
  const sent = [server.addAll("a", 100), server.batcher.add(["b"]), server.addAll("c", 149)];
  sent.push(server.addAll("d", 200), server.addAll("e", 51), server.addAll("f", 300));
  await nextTurn();
  const runs = server.calls.map((call) =>
    call.replace(/(.)\1*/g, (run, letter) => letter + run.length)
  );
  assertEquals(runs, ["a100b1c149", "d200", "e51", "f250", "f50"]);
  await server.answer(5);
  await Promise.all(sent);
});

test("Batcher fails those whose call fails, and no others", async () => {
  const server = new SlowServer();
  const [full, rest] = [server.addAll("a", 250), server.batcher.add(["b"])];
  const failed = assertRejects(() => full, Error, "broken");
  await nextTurn();
  await server.answer(1, new Error("broken"));
  await failed;
  await server.answer(1);
  await rest;
  await server.batcher.emptied();
});

test("Batcher.emptied waits for all that was added before, sent or not, stored or not", async () => {
  const server = new SlowServer();
  const sent = [server.addAll("a", 250), server.batcher.add(["b"])];
  let isEmptied = false;
  const emptying = server.batcher.emptied().then(() => isEmptied = true);
  await nextTurn();
  assertEquals(isEmptied, false);
  const failed = assertRejects(() => sent[0]!, Error, "broken");
  await server.answer(1, new Error("broken"));
  await failed;
  await nextTurn();
  assertEquals(isEmptied, false);
  await server.answer(1);
  await emptying;
  await sent[1];
});
