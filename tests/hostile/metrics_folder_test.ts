import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { MetricsFolder } from "../../middleware/prometheus/folder.ts";
import type { Counts } from "../../middleware/prometheus/counts.ts";
import { openPrivateFile } from "../../middleware/prometheus/private_files.ts";
import { toMetricsSettings } from "../../middleware/prometheus/settings.ts";
import { runtime } from "../../platform/runtime.ts";
import { withFolder } from "../support/folder.ts";
import { skip, test } from "../support/test.ts";

const COUNTS: Counts = {
  series: [],
  delayed: [["actor", "queue", "1", 1]],
  more: [{
    name: "c",
    help: "C",
    type: "counter",
    aggregator: "sum",
    values: [{ value: 1, labels: {} }],
  }],
};
const NONE: Counts = { series: [], delayed: [], more: [] };
const SECRET = "a file of another user";
/** The id of a user that is not this one. */
const NOBODY = 65_534;

/** A folder for metrics beside a file that must stay as it is. */
async function withTarget(body: (metrics: string, target: string) => Promise<void>): Promise<void> {
  await withFolder(async (root) => {
    await mkdir(join(root, "target"));
    const target = join(root, "target", "package.json");
    await writeFile(target, SECRET);
    await mkdir(join(root, "metrics"), { mode: 0o700 });
    await body(join(root, "metrics"), target);
    assertEquals(await readFile(target, "utf8"), SECRET);
  });
}

test("MetricsFolder takes no path from a file for the name of a member", async () => {
  await withTarget(async (path) => {
    const first = await MetricsFolder.join(path);
    for (
      const name of ["../target/package", "/../target/package", "1-aaaaaaaa/../../target/package"]
    ) {
      await writeFile(
        join(path, "retired.json"),
        JSON.stringify({ counts: NONE, members: [name] }),
      );
      const next = await MetricsFolder.join(path);
      assertEquals((await next.readOthers())[0], NONE);
      next.leave();
    }
    first.leave();
  });
});

test("MetricsFolder writes through no symbolic link, and reads through none", async () => {
  await withTarget(async (path, target) => {
    const staying = await MetricsFolder.join(path);
    const passing = await MetricsFolder.join(path);
    await passing.write(COUNTS);
    const member = (await readdir(path)).find((name) => name.endsWith(".json"))!.slice(0, -5);
    await symlink(target, join(path, `${member}.tmp`));
    await passing.write({ ...COUNTS });
    passing.leave();
    await symlink(target, join(path, "retired.tmp"));
    const last = await MetricsFolder.join(path); // it puts the files of the dead together
    assertEquals((await last.readOthers())[0]!.more.length, 1);
    const planted = `1-${"a".repeat(8)}.json`;
    await writeFile(join(path, "..", "planted"), JSON.stringify(COUNTS));
    await symlink(join(path, "..", "planted"), join(path, planted));
    assertEquals((await last.readOthers()).slice(1).flatMap(({ more }) => more).length, 0);
    last.leave();
    staying.leave();
  });
});

test("MetricsFolder is not held up by a named pipe in it", async () => {
  await withTarget(async (path) => {
    const member = await MetricsFolder.join(path);
    await once(spawn("mkfifo", [join(path, "retired.json")]), "exit");
    assertEquals(await member.readOthers(), [NONE]);
    member.leave();
  });
});

test("MetricsFolder opens no lock that is not a regular file", async () => {
  await withTarget(async (path, target) => {
    const planted = join(path, `1-${"a".repeat(8)}.lock`);
    await once(spawn("mkfifo", [planted]), "exit");
    const member = await MetricsFolder.join(path); // opening the named pipe would never return
    member.leave();
    await mkdir(planted);
    const full = await assertRejects(() => MetricsFolder.join(path), Error);
    assert(full.message.startsWith(`Cannot keep metrics in ${path}: `), full.message);
    assert(full.message.endsWith("(database, or dramatiq_prom_db)"), full.message);
    const door = join(path, "door.lock");
    await rm(door);
    await symlink(`${target}-new`, door);
    const refused = await assertRejects(() => MetricsFolder.join(path), Error);
    assertEquals(
      refused.message,
      `Cannot lock ${door}: it is not a regular file (database, or dramatiq_prom_db)`,
    );
    assertEquals(await readdir(join(path, "..", "target")), ["package.json"]);
    await rm(door);
    await writeFile(door, SECRET);
    const garbage = await assertRejects(() => MetricsFolder.join(path), Error);
    assert(garbage.message.startsWith(`Cannot lock ${door}: `), garbage.message);
    assert(garbage.message.endsWith("(database, or dramatiq_prom_db)"), garbage.message);
  });
});

test("MetricsFolder closes a folder of its own to others, and its files", async () => {
  await withTarget(async (path) => {
    await chmod(path, 0o777);
    const member = await MetricsFolder.join(path);
    await member.write(COUNTS);
    assertEquals((await stat(path)).mode & 0o777, 0o700);
    const written = (await readdir(path)).find((name) => name.endsWith(".json"))!;
    assertEquals((await stat(join(path, written))).mode & 0o077, 0);
    member.leave();
  });
});

test("MetricsFolder refuses what is no folder of its own, and names the variable", async () => {
  await withTarget(async (path, target) => {
    await symlink(path, `${path}-link`);
    const cases: [path: string, reason: string][] = [
      [target, "it is not a folder"],
      [`${path}-link`, "it is a symbolic link"],
      [join(target, "below"), ""],
    ];
    for (const [one, reason] of cases) {
      const error = await assertRejects(() => MetricsFolder.join(one), Error);
      assert(error.message.startsWith(`Cannot keep metrics in ${one}: ${reason}`), error.message);
      assert(error.message.includes("dramatiq_prom_db"), error.message);
    }
    await symlink(target, `${path}-lock`);
    const lock = await assertRejects(
      () => openPrivateFile(`${path}-lock`, "dramatiq_prom_lock"),
      Error,
    );
    assertEquals(
      lock.message,
      `Cannot lock ${path}-lock: it is not a regular file (dramatiq_prom_lock)`,
    );
  });
  assert(toMetricsSettings({}).database.endsWith("dramatiq-prometheus"));
});

test("MetricsFolder refuses what has taken the place of its folder, until it is gone", async () => {
  await withTarget(async (path) => {
    const member = await MetricsFolder.join(path);
    await member.serves("127.0.0.1", 1);
    const planted = `${path}-planted`;
    await rename(path, planted);
    await writeFile(join(planted, `1-${"a".repeat(8)}.json`), JSON.stringify(COUNTS));
    await symlink(planted, path);
    const names = await readdir(planted);
    for (let i = 0; i < 2; i++) {
      const error = await assertRejects(() => member.write(COUNTS), Error);
      assertEquals(
        error.message,
        `Cannot keep metrics in ${path}: it is a symbolic link (database, or dramatiq_prom_db)`,
      );
    }
    await member.serves("127.0.0.1", 2);
    assertEquals(await readdir(planted), names);
    assertEquals([await member.readOthers(), await member.whoServes()], [[], undefined]);
    await rm(path);
    await member.write(COUNTS);
    assertEquals((await readdir(path)).filter((name) => name.endsWith(".json")).length, 2);
    assertEquals((await member.whoServes())?.port, 2);
    member.leave();
  });
});

/** Opens the same lock twice, as two processes do, or one that takes it again. */
const OPENER = `
import { openPrivateFile } from "${new URL(
  "../../middleware/prometheus/private_files.ts",
  import.meta.url,
)}";
for (let i = 0; i < 2; i++) await openPrivateFile(Deno.args[0], "lock");
console.log("opened");
`;

if (runtime === "deno") {
  test("openPrivateFile does without the permission of Deno to read the user's id", async () => {
    await withFolder(async (path) => {
      const program = join(path, "opener.ts");
      await writeFile(program, OPENER);
      const given = ["--no-prompt", `--allow-read=${path}`, `--allow-write=${path}`];
      const child = spawn(process.execPath, ["run", ...given, program, join(path, "lock")], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      assertEquals(await text(child.stdout!), "opened\n");
    });
  });
} else {
  skip("openPrivateFile does without the permission of Deno", "it is not Deno");
}

const isRoot = await mayChangeOwners();
if (isRoot) {
  test("MetricsFolder refuses a folder of another user", async () => {
    await withTarget(async (path) => {
      await chmod(path, 0o777);
      await chown(path, NOBODY, NOBODY);
      const error = await assertRejects(() => MetricsFolder.join(path), Error);
      assertEquals(
        error.message,
        `Cannot keep metrics in ${path}: it belongs to another user (database, or dramatiq_prom_db)`,
      );
      assertEquals(await readdir(path), []);
      const own = `${path}-own`;
      const member = await MetricsFolder.join(own);
      await rm(own, { recursive: true });
      await rename(path, own);
      const replaced = await assertRejects(() => member.write(COUNTS), Error);
      assertEquals(replaced.message, error.message.replace(path, own));
      assertEquals(await readdir(own), []);
      member.leave();
      const lock = `${path}.lock`;
      await writeFile(lock, "");
      await chown(lock, NOBODY, NOBODY);
      const refused = await assertRejects(() => openPrivateFile(lock, "dramatiq_prom_lock"), Error);
      assertEquals(
        refused.message,
        `Cannot lock ${lock}: it belongs to another user (dramatiq_prom_lock)`,
      );
    });
  });
} else {
  skip("MetricsFolder refuses a folder of another user", "only root can give a folder away");
}

async function mayChangeOwners(): Promise<boolean> {
  let isAllowed = false;
  await withFolder(async (path) => {
    isAllowed = await chown(path, NOBODY, NOBODY).then(() => true, () => false);
  });
  return isAllowed;
}
