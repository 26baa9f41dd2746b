import fs from "node:fs";
import { chmod, mkdir, readdir, rm } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { actor, ConnectionFailed, SqliteBroker, Worker } from "@dq/dramatiq";
import { connectionOf } from "../../../clients/sqlite/handles.ts";
import { runtime } from "../../../platform/runtime.ts";
import { ROOT, RUN } from "../../cli/fixture.ts";
import { work } from "../../conformance/broker_messages.ts";
import { withFolder } from "../../support/folder.ts";
import { linesOf, textOf } from "../../support/log.ts";
import { eventually } from "../../support/servers/until.ts";
import { runProgram } from "../../support/servers/run_program.ts";
import { skip, test } from "../../support/test.ts";
import type { Outcome } from "./unprivileged.ts";
import { OPENERS } from "./databases.ts";

const openOther = OPENERS["node:sqlite"]!;
const isRoot = process.getuid?.() === 0;
const PROGRAM = fileURLToPath(new URL("unprivileged.ts", import.meta.url));
const NARROW = fileURLToPath(new URL("narrow_permissions.ts", import.meta.url));
const NARROW_THREAD = fileURLToPath(new URL("narrow_thread.ts", import.meta.url));
const CONFIG = join(ROOT, "deno.json");
const MEGABYTE = 1024 * 1024;

/** Runs something while all folders seem to be on this file system. */
async function withFileSystem(type: number, run: () => Promise<void>): Promise<void> {
  const { statfsSync } = fs;
  fs.statfsSync =
    ((...args: Parameters<typeof statfsSync>) =>
      Object.assign(statfsSync(...args), { type })) as typeof statfsSync;
  try {
    await run();
  } finally {
    fs.statfsSync = statfsSync;
  }
}

for (
  const [name, type] of [
    ["NFS", 0x6969],
    ["SMB", 0x517b],
    ["CIFS", 0xff534d42],
    ["CIFS", 0xff534d42 - 2 ** 32], // where the number has a sign
    ["SMB2", 0xfe534d42],
  ] as const
) {
  test(`SqliteBroker refuses a file on ${name} (${type}), unless allowNetworkFileSystem`, async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "tasks.db");
      await withFileSystem(type, async () => {
        const broker = new SqliteBroker({ path });
        const error = await assertRejects(() => broker.connect(), ConnectionFailed);
        assertStringIncludes(error.message, `${path}: it is on a network file system (${name})`);
        assertEquals(fs.existsSync(path), false);
        await broker.close();

        await using allowed = new SqliteBroker({ path, allowNetworkFileSystem: true });
        await allowed.enqueue(work("default", 1));
      });
    });
  });
}

for (const [name, type] of [["FUSE", 0x65735546], ["9p", 0x01021997]] as const) {
  test(`SqliteBroker opens a file on ${name} with one warning`, async () => {
    await withFolder(async (folder) => {
      const lines = await linesOf({ category: ["dramatiq", "sqlite"] }, async () => {
        await withFileSystem(type, async () => {
          await using broker = new SqliteBroker({ path: join(folder, "tasks.db") });
          await broker.enqueue(work("default", 1));
        });
      });
      assertEquals(lines.map(({ level }) => level), ["warning"]);
      assertStringIncludes(textOf(lines[0]!), name);
    });
  });
}

test("SqliteBroker says which file or folder may not be read or written", async () => {
  await withFolder(async (folder) => {
    await chmod(folder, 0o755);
    const paths = await Promise.all([
      prepare(join(folder, "fresh"), 0o555),
      prepare(join(folder, "readable"), 0o777, 0o444),
      prepare(join(folder, "closed"), 0o555, 0o666),
      prepare(join(folder, "hidden"), 0o700, 0o666),
      prepare(join(folder, "open"), 0o777, 0o666),
    ]);
    const printed = await runProgram(process.execPath, [...RUN, PROGRAM, ...paths], {});
    const outcomes: Outcome[] = JSON.parse(printed);
    for (const path of paths) await chmod(dirname(path), 0o700);
    const [fresh, readable, closed, hidden, open] = outcomes;
    assertEquals(open, { message: "sent" });
    for (const [i, { delivery }] of outcomes.slice(0, 4).entries()) {
      assertEquals(delivery, "none", paths[i]);
    }
    assert(fresh!.message.startsWith(`Cannot open ${paths[0]}: a file cannot be made in`));
    assertStringIncludes(
      readable!.message,
      `${paths[1]} cannot be written; the file and its folder`,
    );
    assertStringIncludes(closed!.message, `${paths[2]} cannot be written; the file and its folder`);
    assertStringIncludes(hidden!.message, `${paths[3]}`);
  });
});

test("SqliteBroker gives the file that notifies workers the mode and the owner of the database", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    {
      await using maker = new SqliteBroker({ path });
      await maker.connect();
    }
    await rm(`${path}-notify`, { force: true });
    await chmod(path, 0o666);
    const owner = isRoot ? 65_534 : process.getuid!();
    if (isRoot) fs.chownSync(path, owner, owner);
    await using broker = new SqliteBroker({ path });
    await broker.enqueue(work("default", 1));
    await eventually("notify", () => fs.existsSync(`${path}-notify`));
    const { mode, uid } = fs.statSync(`${path}-notify`);
    assertEquals([mode & 0o777, uid], [0o666, owner]);
  });
});

/** Makes a folder, and a file in it if that has a mode. */
async function prepare(folder: string, folderMode: number, fileMode?: number): Promise<string> {
  await mkdir(folder);
  const path = join(folder, "tasks.db");
  if (fileMode !== undefined) {
    const broker = new SqliteBroker({ path });
    await broker.enqueue(work("default", 1));
    await broker.close();
    await rm(`${path}-notify`, { force: true });
    await chmod(path, fileMode);
  }
  await chmod(folder, folderMode);
  return path;
}

if (runtime !== "deno") {
  skip("SqliteBroker needs no permission of Deno but those of its file", "it is not Deno");
  skip("Senders and workers with threads ask Deno for no permission", "it is not Deno");
} else {
  test("SqliteBroker needs no permission of Deno but those of its file", async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "tasks.db");
      const run = (...permissions: string[]) => {
        const given = permissions.map((name) => `--allow-${name}=${path}`);
        const program = ["run", "--no-prompt", "--config", CONFIG, ...given, NARROW, path];
        return runProgram(process.execPath, program, {});
      };
      assertEquals(await run("read", "write"), "1,2,3\n");
      assertEquals((await readdir(folder)).filter((name) => name.endsWith("-notify")), []);
      const refused = await run("read");
      assert(refused.startsWith(`Cannot open ${path}: Requires write access to`), refused);
    });
  });

  test("Senders and workers with threads ask Deno for no permission that they can do without", async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "tasks.db");
      const audit = join(folder, "audit");
      const run = async (...args: string[]) => {
        fs.rmSync(audit, { force: true });
        const program = [
          "run",
          "--no-prompt",
          "--config",
          CONFIG,
          `--allow-write=${folder}`,
          ...args,
        ];
        const variables = { DENO_AUDIT_PERMISSIONS: audit, EXECUTOR_FILE: path };
        const printed = await runProgram(process.execPath, program, variables);
        const asked = fs.readFileSync(audit, "utf8").trim().split("\n").map((line) =>
          JSON.parse(line)
        )
          .filter(({ permission }) => permission !== "read" && permission !== "write")
          .map(({ permission, value }) => `${permission} ${value}`);
        return [printed, [...new Set(asked)]];
      };
      assertEquals(await run(`--allow-read=${folder}`, NARROW, path), ["1,2,3\n", []]);
      const thread = ["--allow-read", "--allow-env=EXECUTOR_FILE", NARROW_THREAD];
      assertEquals(await run(...thread), ["realm\n", ["env EXECUTOR_FILE"]]);
    });
  });
}

if (!isRoot || process.platform !== "linux") {
  skip("SqliteBroker bears a disk that is full", "only root may mount one on Linux");
} else {
  test("SqliteBroker bears a disk that is full, and works again when there is room", async () => {
    await withFolder(async (folder) => {
      const disk = join(folder, "disk");
      await mkdir(disk);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]);
      try {
        await fillAndFree(disk);
      } finally {
        execFileSync("umount", ["-l", disk]);
      }
    });
  });
}

async function fillAndFree(disk: string): Promise<void> {
  await using broker = new SqliteBroker({ path: join(disk, "tasks.db") });
  const ran: number[] = [];
  const note = actor((n: number, _text: string) => void ran.push(n), {
    broker,
    actorName: "note",
  });
  await broker.connect();
  const rest = join(disk, "rest");
  fs.writeFileSync(rest, new Uint8Array(MEGABYTE));
  const sent: number[] = [];
  let error: unknown;
  for (let n = 0; error === undefined; n++) {
    await note.send(n, "x".repeat(3_000)).then(() => sent.push(n), (reason) => error = reason);
  }
  assertInstanceOf(error, ConnectionFailed);
  assertEquals(error.delivery === "none" || error.delivery === "unknown", true);
  await using worker = new Worker(broker);
  await worker.start(); // its first claim may fail, too
  fs.rmSync(rest);
  await broker.join("default");
  assertEquals(ran.filter((n) => sent.includes(n)).toSorted((a, b) => a - b), sent);
  await note.send(-1, "x".repeat(3_000));
  await broker.join("default");
  assertEquals(ran.at(-1), -1);
}

test("SqliteBroker warns once of a log that a long reader keeps from being copied back", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    await using broker = new SqliteBroker({ path });
    await broker.enqueue(work("default", 1));
    const connection = connectionOf(broker);
    const reader = openOther(path);
    reader.exec("begin");
    reader.prepare("select count(*) from dramatiq_messages").get();
    const grow = () => fs.truncateSync(`${path}-wal`, 257 * MEGABYTE); // a hole costs nothing
    const warnings = await linesOf(
      { category: ["dramatiq", "sqlite"], lowestLevel: "warning" },
      async () => {
        connection.runMaintenance();
        grow();
        connection.runMaintenance();
        connection.runMaintenance();
        reader.exec("rollback");
        reader.close();
        fs.truncateSync(`${path}-wal`, MEGABYTE);
        connection.runMaintenance();
        grow();
        connection.runMaintenance();
        await broker.enqueue(work("default", 2));
      },
    );
    assertEquals(
      warnings.map(textOf),
      Array(2).fill(
        `The log of ${path} has 257 MB: a program keeps a read transaction open for long`,
      ),
    );
    assertEquals((await broker.getQueueMessageCounts("default")).ready, 2);
  });
});
