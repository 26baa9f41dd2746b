import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  actor,
  DramatiqError,
  ProcessExecutor,
  StubBroker,
  ThreadExecutor,
  Worker,
} from "@dq/dramatiq";
import { runtime } from "../../../platform/runtime.ts";
import { until } from "../../support/servers/until.ts";
import { linesOf, textOf, withLog } from "../../support/log.ts";
import { withShortTimers } from "../../support/short_timers.ts";
import { test } from "../../support/test.ts";
import { declareActors } from "./actors.ts";
import { ACTORS, Fixture } from "./fixture.ts";

const realm = { modules: [ACTORS], brokerExport: "broker" };
/** Milliseconds until a realm that has not started is logged, and between later lines. */
const REMINDERS = [10_000, 300_000];
const EXECUTORS = {
  ThreadExecutor: (options: object = {}) =>
    new ThreadExecutor({ ...realm, threads: 1, ...options }),
  ProcessExecutor: (options: object = {}) =>
    new ProcessExecutor({ ...realm, processes: 1, ...options }),
};

test("Worker makes threads and processes of its options", () => {
  const broker = new StubBroker();
  for (const executor of ["thread", "process"] as const) {
    const worker = new Worker(broker, { ...realm, executor, threads: 3, concurrency: 5 });
    assertEquals(worker.executor.concurrency, 15);
    assert(new Worker(broker, { ...realm, executor }).executor.concurrency >= 8);
    assertThrows(() => new Worker(broker, { executor }), TypeError, "name the modules");
    for (const options of [{ threads: 0 }, { concurrency: 1.5 }]) {
      assertThrows(() => new Worker(broker, { ...realm, executor, ...options }), RangeError);
    }
  }
});

for (const [name, make] of Object.entries(EXECUTORS)) {
  test(`${name} refuses modules that do not mean the same everywhere`, () => {
    for (const module of ["./actors.ts", "../actors.ts", "", 5]) {
      assertThrows(() => make({ modules: [module] }), TypeError, "it must be a URL");
    }
  });

  test(`${name}.start tells what is wrong with the modules`, async () => {
    const broken = `data:text/javascript,${encodeURIComponent("throw new Error('boom')")}`;
    const cases: [object, string][] = [
      [{ modules: ["/no/such/module.ts"] }, "Cannot import file:///no/such/module.ts: "],
      [{ modules: [ACTORS, broken] }, "boom"],
      [{ brokerExport: "nothing" }, `Cannot use nothing of ${ACTORS}: it is not exported`],
      [{ brokerExport: "VALUES" }, `Cannot use VALUES of ${ACTORS}: it is not a broker`],
    ];
    for (const [options, text] of cases) {
      const worker = new Worker(declareActors(new StubBroker()), { executor: make(options) });
      const error = await assertRejects(() => worker.start(), DramatiqError, text);
      assertStringIncludes(error.message, "Cannot start a ");
    }
  });

  test(`${name}.start names the actors that its modules do not declare`, async () => {
    const broker = declareActors(new StubBroker());
    actor(() => {}, { broker, actorName: "onlyHere" });
    const worker = new Worker(broker, { executor: make() });
    await assertRejects(() => worker.start(), TypeError, "Cannot run onlyHere in a ");
  });

  test(`${name} names the module whose top-level await does not end, until it is stopped`, async () => {
    const hangs = `data:text/javascript,await new Promise(() => {});`;
    await using worker = new Worker(declareActors(new StubBroker()), {
      executor: make({ modules: [ACTORS, hangs] }),
    });
    await withShortTimers(
      REMINDERS,
      () =>
        withLog({ category: ["dramatiq", "worker"], lowestLevel: "warning" }, async (lines) => {
          const starting = worker.start();
          const isNamed = () => lines.some((line) => textOf(line).includes(hangs));
          await until(() => Promise.resolve(isNamed()), {
            what: `see ${hangs} named`,
            timeout: 60_000,
          });
          await Promise.all([starting, worker.stop()]);
          assertMatch(
            textOf(lines.at(-1)!),
            /^Still starting a (?:thread|process) after \d+ s: the top-level await of data:.* has not ended$/,
          );
        }),
    );
    assertEquals(worker.state, "stopped");
  });

  test(`${name} keeps actors from what cannot work where they run`, async () => {
    await using fixture = await Fixture.open(make());
    const { exception: sent } = await fixture.send("send", []);
    assertStringIncludes(String(sent), "Cannot send echo from a ");
    const { exception: started } = await fixture.send("startWorker", []);
    assertStringIncludes(String(started), "Cannot start a worker in a thread or process of");
  });

  test(`${name} fails no message at its limit that waited behind one that computes`, async () => {
    await using fixture = await Fixture.open(make({ concurrency: 4 }));
    const computing = fixture.send("compute", [fixture.journal, 800]);
    const waiting = Array.from(
      { length: 3 },
      (_, i) => fixture.send("noted", [fixture.journal, `${i}`], { timeLimit: 100 }),
    );
    const fates = await Promise.all([computing, ...waiting]);
    assertEquals(fates.map(({ verdict, result }) => [verdict, result]), [
      ["ack", "computed"],
      ["ack", "0"],
      ["ack", "1"],
      ["ack", "2"],
    ]);
    for (const { delivery } of fates) assertEquals(delivery.options.retries, undefined);
    if (name === "ProcessExecutor") return; // it cannot tell which one computes
    assertEquals((await fixture.lines()).toSorted(), ["0", "1", "2", "computing"]); // each once
  });

  test(`${name} runs nothing again that had ended before its realm went down`, async () => {
    await using fixture = await Fixture.open(make({ concurrency: 4 }));
    const ended = [0, 0].map((ms) => fixture.send("compute", [fixture.journal, ms]));
    const exits = fixture.send("ending", [fixture.journal, "exits", "exit"]);
    for (const { verdict, result } of await Promise.all(ended)) {
      assertEquals([verdict, result], ["ack", "computed"]);
    }
    assertEquals((await exits).verdict, "nack");
    const lines = await fixture.lines();
    assertEquals(lines.filter((line) => line === "computing").length, 2);
  });

  test(`${name} has the worker write the log of its realms`, async () => {
    const records = await linesOf({ category: ["dramatiq"] }, async () => {
      await using fixture = await Fixture.open(make());
      await fixture.send("log", []);
    });
    const record = records.find(({ category }) => category.at(-1) === "log")!;
    assertEquals([record.level, textOf(record)], ["warning", "From a realm"]);
    assertEquals(record.category, ["dramatiq", "actor", "log"]);
  });
}

test("ProcessExecutor leaves no process behind when its own is killed, not even a busy one", async () => {
  const folder = await mkdtemp(join(tmpdir(), "dramatiq-"));
  const journal = join(folder, "journal");
  const parent = spawn(process.execPath, [
    ...(runtime === "deno" ? ["run", "-A"] : []),
    fileURLToPath(new URL("./orphan_scenario.ts", import.meta.url)),
    journal,
  ], { stdio: "ignore" });
  try {
    let pids: number[] = [];
    await until(async () => {
      pids = (await readFile(journal, "utf8")).trim().split("\n").map(Number);
      return pids.length === 2;
    }, { what: "see two processes compute", timeout: 30_000 });
    process.kill(parent.pid!, "SIGKILL");
    for (const pid of pids) {
      // deno-lint-ignore require-await -- asynchronous for `until`
      await until(async () => !isRunning(pid), { what: `see ${pid} end`, timeout: 30_000 });
    }
  } finally {
    parent.kill("SIGKILL");
    await rm(folder, { recursive: true });
  }
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // An ended process stays until its exit code is read, which does not happen here.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
