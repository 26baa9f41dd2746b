import { fork } from "node:child_process";
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { deadline } from "@std/async";
import { ActorCrashed, TimeLimitExceeded } from "@dq/dramatiq";
import { ProcessTransport } from "../../../worker/executors/process_transport.ts";
import { test } from "../../support/test.ts";
import { Fixture, oneRealm } from "./fixture.ts";

/** Milliseconds that tell what hangs from what takes its time on a busy machine. */
const HANGS = 30_000;

const EXECUTORS = oneRealm(8);

for (const [name, make] of Object.entries(EXECUTORS)) {
  test(`${name} tells what has ended while another run of the same batch goes on`, async () => {
    await using fixture = await Fixture.open(make());
    const { broker, journal } = fixture;
    const endless = broker.getActor("endless").message(journal);
    const echo = broker.getActor("echo").message("back");
    const [, fate] = [fixture.sendMessage(endless), fixture.sendMessage(echo)];
    assertEquals((await deadline(fate, HANGS)).result, ["back"]);
  });
}

test("ThreadExecutor takes no run for the one that computes that has come to its first await", async () => {
  await using fixture = await Fixture.open(EXECUTORS.ThreadExecutor());
  const { journal } = fixture;
  const end = `${journal}.end`;
  try {
    const late = fixture.send("computeLater", [journal, end]); // once the other one has begun
    fixture.send("endless", [journal]); // begins last, and waits
    const { verdict, exception } = await deadline(late, HANGS);
    assertEquals(verdict, "nack");
    assertInstanceOf(exception, TimeLimitExceeded);
  } finally {
    await writeFile(end, ""); // on Deno nothing else ends such a thread
  }
});

test("ProcessExecutor goes on when a process is killed with messages on their way to it", async () => {
  await using fixture = await Fixture.open(EXECUTORS.ProcessExecutor());
  const { journal } = fixture;
  const busy = fixture.send("computeForEver", [journal]);
  await fixture.written(1);
  // More than the pipe holds: the process does not read.
  const echoes = Array.from(
    { length: 7 },
    (_, i) => fixture.send("echo", [i, "x".repeat(500_000)]),
  );
  const killed = async (count: number) => {
    await fixture.written(count);
    process.kill(Number((await fixture.lines())[count - 1]), "SIGKILL");
  };
  await killed(1);
  await killed(2); // It may have been any of them: each runs alone once more.
  const fates = await deadline(Promise.all(echoes), HANGS);
  assertEquals(fates.map(({ result }) => (result as unknown[])[0]), [0, 1, 2, 3, 4, 5, 6]);
  const { verdict, exception } = await deadline(busy, HANGS);
  assertEquals(verdict, "nack");
  assertInstanceOf(exception, ActorCrashed);
});

test("ProcessExecutor goes on when a process is killed whose program holds the pipe open", async () => {
  await using fixture = await Fixture.open(EXECUTORS.ProcessExecutor());
  const { verdict, exception } = await deadline(fixture.send("heir", [fixture.journal]), HANGS);
  for (const pid of await fixture.lines()) process.kill(Number(pid), "SIGKILL");
  assertEquals(verdict, "nack");
  assertInstanceOf(exception, ActorCrashed);
  assertEquals((await deadline(fixture.send("echo", [1]), HANGS)).result, [1]);
});

test("ProcessTransport ends when its process cannot be started", async () => {
  const ended = Promise.withResolvers<string>();
  const child = fork("nothing.js", [], { execPath: "/no/such/program", stdio: "ignore" });
  const settings = { modules: [], brokerExport: undefined, concurrency: 1, logLevel: undefined };
  const channel = new ProcessTransport(child, { ...settings, kind: "process" }, {
    received() {},
    ended: ended.resolve,
  });
  assertStringIncludes(await deadline(ended.promise, HANGS), "ENOENT");
  channel.kill();
  channel.post({ stop: true });
});

for (const [name, make] of Object.entries(EXECUTORS)) {
  test(`${name} runs what has just ended in a realm that crashes no second time`, async () => {
    await using fixture = await Fixture.open(make());
    const { broker, journal } = fixture;
    const messages = ["a", "b", "c"].map((id) => broker.getActor("marked").message(journal, id));
    messages.push(broker.getActor("ending").message(journal, "offender", "exit"));
    const fates = await deadline(
      Promise.all(messages.map((message) => fixture.sendMessage(message))),
      HANGS,
    );
    assertEquals(fates.map(({ verdict }) => verdict), ["ack", "ack", "ack", "nack"]);
    assertEquals((await fixture.lines()).toSorted(), ["a", "b", "c", "offender"]);
  });
}

test("ProcessExecutor hears what a process sent just before it was killed", async () => {
  await using fixture = await Fixture.open(EXECUTORS.ProcessExecutor());
  const { broker, journal } = fixture;
  const ids = Array.from({ length: 6 }, (_, i) => `${i}`);
  const messages = ids.map((id) => broker.getActor("marked").message(journal, id));
  // It is killed a turn after the others have ended, and would do so once more when alone.
  messages.push(broker.getActor("ending").message(journal, "offender", "killLater"));
  await deadline(Promise.all(messages.map((message) => fixture.sendMessage(message))), HANGS);
  assertEquals((await fixture.lines()).toSorted(), [...ids, "offender", "offender"]);
});
