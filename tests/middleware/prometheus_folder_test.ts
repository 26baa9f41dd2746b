import { readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { MetricsFolder } from "../../middleware/prometheus/folder.ts";
import type { Metric } from "../../middleware/prometheus/metric.ts";
import { ProcessLock } from "../../middleware/prometheus/process_lock.ts";
import { withFolder } from "../support/folder.ts";
import { test } from "../support/test.ts";

function counter(value: number): Metric {
  return { name: "c", help: "C", type: "counter", aggregator: "sum", values: [sample(value)] };
}

function gauge(value: number): Metric {
  return { ...counter(value), name: "g", type: "gauge" };
}

function sample(value: number) {
  return { value, labels: {} };
}

test("MetricsFolder takes those who have joined and not written for alive", async () => {
  await withFolder(async (path) => {
    const [one, two] = [await MetricsFolder.join(path), await MetricsFolder.join(path)];
    await one.write([counter(1), gauge(1)]);
    assertEquals(await two.readOthers(), [[], [counter(1), gauge(1)]]);
    one.leave();
    assertEquals(await two.readOthers(), [[], [counter(1)]]);
    two.leave();
  });
});

test("MetricsFolder keeps one file of all that have left, and none of an earlier run", async () => {
  await withFolder(async (path) => {
    const staying = await MetricsFolder.join(path);
    for (let i = 1; i <= 5; i++) {
      const passing = await MetricsFolder.join(path);
      await passing.write([counter(i), gauge(i)]);
      passing.leave();
    }
    const last = await MetricsFolder.join(path);
    assertEquals(await last.readOthers(), [[counter(15)]]);
    // The lock of each of the two, that of the door, and the file.
    assertEquals((await readdir(path)).length, 4);
    last.leave();
    staying.leave();
    const next = await MetricsFolder.join(path);
    assertEquals(await next.readOthers(), [[]]);
    assertEquals((await readdir(path)).length, 2);
    next.leave();
  });
});

test("MetricsFolder writes one after the other, the newest last", async () => {
  await withFolder(async (path) => {
    const [one, two] = [await MetricsFolder.join(path), await MetricsFolder.join(path)];
    await Promise.all(Array.from({ length: 50 }, (_, i) => one.write([counter(i)])));
    assertEquals(await two.readOthers(), [[], [counter(49)]]);
    one.leave();
    two.leave();
  });
});

test("MetricsFolder.touch makes what others read look young, and says when its lock is gone", async () => {
  await withFolder(async (path) => {
    const folder = await MetricsFolder.join(path);
    await folder.touch();
    await folder.write([counter(1)]);
    const names = (await readdir(path)).filter((name) => name !== "door.lock");
    for (const name of names) await utimes(join(path, name), 0, 0);
    await folder.touch();
    for (const name of names) assert((await stat(join(path, name))).mtimeMs > 0, name);
    assertEquals(names.length, 2);
    await rm(join(path, names.find((name) => name.endsWith(".lock"))!));
    await assertRejects(() => folder.touch(), Error); // each runtime has words of its own
    folder.leave();
  });
});

test("ProcessLock is had by one at a time, and leaves an empty file", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "lock");
    assertEquals(ProcessLock.isTaken(path), false);
    const lock = ProcessLock.take(path)!;
    lock.touch();
    assertEquals([ProcessLock.isTaken(path), ProcessLock.take(path)], [true, undefined]);
    lock.release();
    assertEquals(ProcessLock.isTaken(path), false);
    ProcessLock.take(path)!.release();
    assertEquals(await readdir(folder), ["lock"]);
  });
});
