import { assert, assertEquals } from "@std/assert";
import { Child, type ChildListener, type Ending } from "../../cli/child.ts";
import type { LogWriter } from "../../cli/log_writer.ts";
import { test } from "../support/test.ts";

const silent = { write() {}, writePrinted() {} } as unknown as LogWriter;
const READY = `echo '{"type":"ready","text":"works","forks":0}' >&3`;

/** Runs a shell script as a child, and calls back when it works. */
async function run(
  script: string,
  stopTimeout: number,
  onReady: (child: Child) => void,
): Promise<{ ending: Ending; child: Child }> {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  const listener: ChildListener = {
    ready: onReady,
    retiring: () => {},
    ended: (_child, ending) => resolve(ending),
  };
  const command = ["/bin/sh", "-c", script];
  const child = new Child(
    { kind: "worker", number: 1 },
    { command, stopTimeout, log: silent },
    listener,
  );
  return { ending: await promise, child };
}

test("Child.stop kills a process that does not stop within the timeout", async () => {
  const { ending, child } = await run(
    `trap '' TERM; ${READY}; while :; do sleep 0.05; done`,
    100,
    (child) => child.stop(),
  );
  assertEquals([ending.signal, child.wasKilled], ["SIGKILL", true]);
});

test("Child.stop does not kill a process that stops within the timeout", async () => {
  const { ending, child } = await run(
    `trap 'exit 7' TERM; ${READY}; while :; do sleep 0.05; done`,
    60_000,
    (child) => child.stop(),
  );
  assertEquals([ending.code, child.wasKilled], [7, false]);
  assert(ending.workedFor >= 0 && ending.workedFor < 60_000);
});
