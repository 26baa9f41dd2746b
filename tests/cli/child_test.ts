import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import { Child, type Ending } from "../../cli/child.ts";
import { LogWriter } from "../../cli/log_writer.ts";
import { until } from "../support/servers/until.ts";
import { test } from "../support/test.ts";
import { isRunning, kill } from "./stage.ts";

const log = new LogWriter({ file: undefined, format: "json", color: false, isSilent: true });
const READY = `printf '{"type":"ready","text":"Working","forks":0}\\n' >&3`;
/** Milliseconds that tell what hangs from what takes its time on a busy machine. */
const HANGS = 30_000;

/** A shell script in the place of a worker, and what is heard of it. */
class ChildStage implements Disposable {
  readonly child: Child;
  readonly heard: string[] = [];
  readonly ended: Promise<Ending>;

  constructor(script: string, { stopTimeout = 600_000, program = "sh" } = {}) {
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.ended = deadline(promise, HANGS);
    const settings = { command: [program, "-c", script], stopTimeout, log };
    this.child = new Child({ kind: "worker", number: 1 }, settings, {
      ready: () => void this.heard.push("ready"),
      retiring: (_child, reason) => void this.heard.push(`retiring: ${reason}`),
      ended: (_child, ending) => {
        this.heard.push("ended");
        resolve(ending);
      },
    });
  }

  /** Waits until it has begun to work. */
  async ready(): Promise<void> {
    // deno-lint-ignore require-await -- asynchronous for `until`
    await until(async () => this.child.isReady, { what: "see it work", timeout: HANGS });
  }

  [Symbol.dispose](): void {
    const { pid } = this.child;
    if (pid > 0) kill(pid); // 0 would be this process and its group
  }
}

test("Child tells how long it worked: not at all before it said so", async () => {
  using early = new ChildStage("sleep 0.05; exit 3");
  const { code, workedFor } = await early.ended;
  assertEquals([code, workedFor, early.child.isReady], [3, 0, false]);
  using worker = new ChildStage(`${READY}; sleep 0.05; exit 4`);
  const ending = await worker.ended;
  assertEquals([ending.code, worker.child.isReady], [4, true]);
  assert(ending.workedFor > 0 && ending.workedFor < HANGS);
});

test("Child that cannot be started ends once, with the reason", async () => {
  using stage = new ChildStage("", { program: "/no/such/program" });
  const { code, signal, reason } = await stage.ended;
  assertEquals([code, signal], [null, null]);
  assertMatch(reason!, /^Cannot start a process: .*ENOENT/);
  stage.child.stop();
  stage.child.kill();
  assertEquals([stage.heard, stage.child.wasKilled], [["ended"], false]);
});

test("Child gives what it said last before it ended: the reason, and that it works", async () => {
  using stage = new ChildStage(
    `${READY}; printf '{"type":"fatal","text":"no broker"}\\n' >&3; exit 2`,
  );
  const { code, reason } = await stage.ended;
  assertEquals([code, reason, stage.heard], [2, "no broker", ["ready", "ended"]]);
});

test("Child ends though what it has started holds its pipes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "dramatiq-"));
  using stage = new ChildStage(`sleep 60 & echo $! >${folder}/pid; ${READY}; exit 5`);
  const { code } = await stage.ended;
  kill(Number(await readFile(join(folder, "pid"), "utf8")));
  await rm(folder, { recursive: true });
  assertEquals([code, stage.heard], [5, ["ready", "ended"]]);
});

test("Child.stop is told once, and kills what does not end in time", async () => {
  using deaf = new ChildStage(`trap '' TERM; ${READY}; while :; do sleep 0.05; done`, {
    stopTimeout: 200,
  });
  await deaf.ready();
  deaf.child.stop();
  deaf.child.stop();
  const { signal } = await deaf.ended;
  assertEquals([signal, deaf.child.wasKilled], ["SIGKILL", true]);

  using obedient = new ChildStage(`trap 'exit 0' TERM; ${READY}; while :; do sleep 0.05; done`, {
    stopTimeout: 60_000,
  });
  await obedient.ready();
  obedient.child.stop();
  const { code } = await obedient.ended;
  assertEquals([code, obedient.child.wasKilled], [0, false]);
});

test("Child signals nobody once it has ended: another process may have its number", async () => {
  using stage = new ChildStage("exit 0");
  await stage.ended;
  const sent: unknown[] = [];
  const { kill } = process;
  process.kill = ((pid: number, signal: string) => sent.push([pid, signal])) as never;
  try {
    stage.child.stop();
    stage.child.kill();
    assertEquals(await stage.child.status(), undefined);
  } finally {
    process.kill = kill;
  }
  assertEquals([sent, stage.child.wasKilled], [[], false]);
});

test("Child.status answers all who ask, and nothing for a process that does not", async () => {
  const status =
    `printf '{"type":"status","uptime":1,"inFlight":2,"done":3,"failed":0,"retried":0}\\n'`;
  using stage = new ChildStage(
    `trap '${status.replaceAll("'", `'"'"'`)} >&3' USR2; ${READY}; while :; do sleep 0.05; done`,
  );
  await stage.ready();
  const answers = await Promise.all([stage.child.status(), stage.child.status()]);
  assertEquals(answers.map((one) => one?.inFlight), [2, 2]);
  using deaf = new ChildStage(`trap '' USR2; ${READY}; while :; do sleep 0.05; done`);
  await deaf.ready();
  assertEquals(await deaf.child.status(), undefined);
  assert(isRunning(deaf.child.pid));
});
