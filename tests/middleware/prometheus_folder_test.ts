import { mkdir, readdir, rm, rmdir, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { MetricsFolder } from "../../middleware/prometheus/folder.ts";
import type { Counts } from "../../middleware/prometheus/counts.ts";
import type { Metric } from "../../middleware/prometheus/metric.ts";
import { DURATION_BOUNDS } from "../../middleware/prometheus/series.ts";
import { ProcessLock } from "../../middleware/prometheus/process_lock.ts";
import { withFolder } from "../support/folder.ts";
import { linesOf, textOf } from "../support/log.ts";
import { test } from "../support/test.ts";

const NONE: Counts = { series: [], delayed: [], more: [] };

/** One series with messages, and some of them in progress; the same numbers in a registry. */
function counts(messages: number, inProgress = 0): Counts {
  const durations: number[] = [messages, ...new Array(DURATION_BOUNDS.length).fill(0)];
  const metric = (name: string, type: string, value: number): Metric => ({
    name,
    help: name,
    type,
    aggregator: "sum",
    values: [{ value, labels: {} }],
  });
  return {
    series: [[
      "actor",
      "queue",
      1,
      messages,
      0,
      0,
      0,
      inProgress,
      0,
      0,
      messages * 2,
      ...durations,
    ]],
    delayed: [],
    more: [
      metric("c", "counter", messages),
      ...inProgress > 0 ? [metric("g", "gauge", inProgress)] : [],
    ],
  };
}

test("MetricsFolder takes those who have joined and not written for alive", async () => {
  await withFolder(async (path) => {
    const [one, two] = [await MetricsFolder.join(path), await MetricsFolder.join(path)];
    await one.write(counts(1, 1));
    assertEquals(await two.readOthers(), [NONE, counts(1, 1)]);
    one.leave();
    assertEquals(await two.readOthers(), [NONE, counts(1)]);
    two.leave();
  });
});

test("MetricsFolder keeps one file of all that have left, and none of an earlier run", async () => {
  await withFolder(async (path) => {
    const staying = await MetricsFolder.join(path);
    for (let i = 1; i <= 5; i++) {
      const passing = await MetricsFolder.join(path);
      await passing.write(counts(i, i));
      passing.leave();
    }
    const last = await MetricsFolder.join(path);
    assertEquals(await last.readOthers(), [counts(15)]);
    // The lock of each of the two, that of the door, and the file.
    assertEquals((await readdir(path)).length, 4);
    last.leave();
    staying.leave();
    const next = await MetricsFolder.join(path);
    assertEquals(await next.readOthers(), [NONE]);
    assertEquals((await readdir(path)).length, 2);
    next.leave();
  });
});

test("MetricsFolder writes one after the other, the newest last", async () => {
  await withFolder(async (path) => {
    const [one, two] = [await MetricsFolder.join(path), await MetricsFolder.join(path)];
    await Promise.all(Array.from({ length: 50 }, (_, i) => one.write(counts(i))));
    assertEquals(await two.readOthers(), [NONE, counts(49)]);
    one.leave();
    two.leave();
  });
});

test("MetricsFolder writes again after it could not, the same metrics too", async () => {
  await withFolder(async (path) => {
    const one = await MetricsFolder.join(path);
    const own = (await readdir(path)).find((name) => /^\d/.test(name))!;
    const two = await MetricsFolder.join(path);
    const metrics = counts(1);
    const obstacle = join(path, own.replace(".lock", ".tmp"));
    await mkdir(obstacle);
    await assertRejects(() => one.write(metrics));
    await rmdir(obstacle);
    await one.write(metrics);
    assertEquals(await two.readOthers(), [NONE, metrics]);
    for (const folder of [one, two]) folder.leave();
  });
});

test("MetricsFolder writes again after its folder was deleted, the same metrics too", async () => {
  await withFolder(async (root) => {
    const path = join(root, "db");
    const [one, two] = [await MetricsFolder.join(path), await MetricsFolder.join(path)];
    const [metrics, others] = [counts(1), counts(2)];
    await one.serves("127.0.0.1", 1);
    await one.write(metrics);
    await rm(path, { recursive: true });
    assertEquals(await two.readOthers(), []);
    const lines = await linesOf({ category: ["dramatiq", "middleware"] }, async () => {
      for (const folder of [one, two, one]) await folder.write(folder === one ? metrics : others);
    });
    assertEquals(
      lines.map(textOf),
      Array(2).fill(`Rejoined metrics folder ${path}: it was deleted or replaced`),
    );
    assertEquals((await stat(path)).mode & 0o777, 0o700);
    assertEquals(await two.readOthers(), [NONE, metrics]);
    assertEquals(await one.readOthers(), [NONE, others]);
    assertEquals((await two.whoServes())?.port, 1);
    const late = await MetricsFolder.join(path); // it takes both for alive
    assertEquals((await late.readOthers()).length, 3);
    for (const folder of [one, two, late]) folder.leave();
  });
});

test("MetricsFolder counts once a process whose files were deleted one by one", async () => {
  await withFolder(async (path) => {
    const [one, two] = [await MetricsFolder.join(path), await MetricsFolder.join(path)];
    const metrics = counts(1, 1);
    await one.write(metrics);
    const own = (await readdir(path)).find((name) => name.endsWith(".json"))!;
    await rm(join(path, own.replace(".json", ".lock")));
    await one.write(metrics);
    assertEquals(await two.readOthers(), [NONE, metrics]);
    for (const folder of [one, two]) folder.leave();
  });
});

test("MetricsFolder replaces files atomically for readers", async () => {
  await withFolder(async (path) => {
    const folder = await MetricsFolder.join(path);
    await folder.write(counts(1));
    const file = join(path, (await readdir(path)).find((name) => name.endsWith(".json"))!);
    const before = await stat(file);
    await folder.write(counts(2));
    assertNotEquals((await stat(file)).ino, before.ino); // another file has taken its place
    folder.leave();
  });
});

test("MetricsFolder counts once who has left, though its file is still there", async () => {
  await withFolder(async (path) => {
    const staying = await MetricsFolder.join(path);
    const dead = "1-0123abcd";
    // Whoever put it together with those who had left before died before removing its file.
    await writeFile(join(path, `${dead}.json`), JSON.stringify(counts(3)));
    const retired = { counts: counts(3), members: [dead] };
    await writeFile(join(path, "retired.json"), JSON.stringify(retired));
    assertEquals(await staying.readOthers(), [counts(3)]);
    const next = await MetricsFolder.join(path);
    assertEquals(await next.readOthers(), [counts(3)]);
    assert(!(await readdir(path)).includes(`${dead}.json`), "its file is still there");
    for (const folder of [staying, next]) folder.leave();
  });
});

test("MetricsFolder.touch makes what others read look young", async () => {
  await withFolder(async (path) => {
    const folder = await MetricsFolder.join(path);
    await folder.touch();
    await folder.write(counts(1));
    const names = (await readdir(path)).filter((name) => name !== "door.lock");
    for (const name of names) await utimes(join(path, name), 0, 0);
    await folder.touch();
    for (const name of names) assert((await stat(join(path, name))).mtimeMs > 0, name);
    assertEquals(names.length, 2);
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
