import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assertEquals, assertThrows } from "@std/assert";
import { PidFile, PidFileError } from "../../cli/pid_file.ts";
import { withFolder } from "../support/folder.ts";
import { test } from "../support/test.ts";

/** A process that runs: whoever started this one. */
const RUNNING = process.ppid;
/** More than Linux gives. */
const GONE = 2 ** 30;

test("PidFile holds this process's id while it is in use, and leaves nothing behind", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "pid");
    const file = new PidFile(path);
    assertEquals(await readFile(path, "utf8"), String(process.pid));
    assertEquals((await stat(path)).mode & 0o777, 0o644);
    assertEquals(readdirSync(folder), ["pid"]);
    file[Symbol.dispose]();
    assertEquals(readdirSync(folder), []);
  });
});

test("PidFile replaces the file of a process that has ended, or had the same id", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "pid");
    for (const text of [`${GONE}`, `${GONE}\n`, `${process.pid}`]) {
      await writeFile(path, text);
      new PidFile(path)[Symbol.dispose]();
      assertEquals(readdirSync(folder), [], JSON.stringify(text));
    }
  });
});

test("PidFile refuses the file of a running process, even another user's", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "pid");
    for (const pid of [RUNNING, 1]) {
      await writeFile(path, String(pid));
      assertThrows(() => new PidFile(path), PidFileError, `process ${pid}`);
      assertEquals(await readFile(path, "utf8"), String(pid));
      assertEquals(readdirSync(folder), ["pid"]);
    }
  });
});

test("PidFile refuses a file with other content, and paths that are not regular files", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "pid");
    for (const text of ["", "port = 80\n", "12 34", `${GONE}\n\n`]) {
      await writeFile(path, text);
      assertThrows(() => new PidFile(path), PidFileError, "process id");
      assertEquals(await readFile(path, "utf8"), text);
    }
    await symlink(folder, join(folder, "link"));
    assertThrows(() => new PidFile(join(folder, "link")), PidFileError);
    assertThrows(() => new PidFile(join(folder, "none", "pid")), PidFileError, "cannot be written");
  });
});

test("PidFile does not remove the file of a later process", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "pid");
    const file = new PidFile(path);
    await writeFile(path, String(RUNNING));
    await chmod(path, 0o644);
    file[Symbol.dispose]();
    assertEquals(await readFile(path, "utf8"), String(RUNNING));
  });
});

test("PidFile does not remove what has taken the place of its file, nor waits for it", async () => {
  await withFolder(async (folder) => {
    const [path, own] = [join(folder, "pid"), join(folder, "own")];
    const replacements = [
      // In another container with the same volume, a supervisor often has the same id.
      () => writeFile(path, String(process.pid)),
      () => symlink(own, path),
      () => once(spawn("mkfifo", [path]), "exit"), // without a writer
      () => mkdir(path),
    ];
    for (const replace of replacements) {
      const file = new PidFile(path);
      await rename(path, own);
      await replace();
      file[Symbol.dispose]();
      assertEquals(readdirSync(folder).toSorted(), ["own", "pid"], String(replace));
      await rm(path, { recursive: true });
    }
  });
});

test("PidFile waits while another process locks the file, and then refuses", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "pid");
    await writeFile(`${path}.lock`, String(RUNNING));
    assertThrows(() => new PidFile(path), PidFileError, "exists; remove it");
    assertEquals(readdirSync(folder), ["pid.lock"]);
  });
});
