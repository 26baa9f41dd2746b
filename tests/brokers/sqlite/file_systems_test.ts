import fs from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { actor, ConnectionFailed, SqliteBroker, Worker } from "@dq/dramatiq";
import { connectionOf } from "../../../clients/sqlite/handles.ts";
import { work } from "../../conformance/broker_messages.ts";
import { withFolder } from "../../support/folder.ts";
import { linesOf, textOf } from "../../support/log.ts";
import { skip, test } from "../../support/test.ts";
import { OPENERS } from "./databases.ts";

const openOther = OPENERS["node:sqlite"]!;
const isRoot = process.getuid?.() === 0;
/** The user that owns nothing; root may write everywhere. */
const NOBODY = 65_534;
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

/** Runs something as a user who has no rights. */
async function asNobody(run: () => Promise<void>): Promise<void> {
  if (isRoot) process.seteuid!(NOBODY);
  try {
    await run();
  } finally {
    if (isRoot) process.seteuid!(0);
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

test("SqliteBroker says that a folder may not be written", async () => {
  await withFolder(async (folder) => {
    await chmod(folder, 0o755);
    const closed = join(folder, "closed");
    await mkdir(closed);
    await chmod(closed, 0o555);
    await asNobody(async () => {
      await using broker = new SqliteBroker({ path: join(closed, "tasks.db") });
      const error = await assertRejects(() => broker.connect(), ConnectionFailed);
      assertStringIncludes(error.message, `a file cannot be made in ${closed}`);
      assertEquals(error.delivery, "none");
    });
    await chmod(closed, 0o700);
  });
});

test("SqliteBroker says that a folder may not be read", async () => {
  await withFolder(async (folder) => {
    await chmod(folder, 0o755);
    const path = join(folder, "closed", "tasks.db");
    await mkdir(join(folder, "closed"));
    await using owner = new SqliteBroker({ path, share: false });
    await owner.connect();
    await chmod(join(folder, "closed"), 0o000);
    await asNobody(async () => {
      await using broker = new SqliteBroker({ path, share: false });
      const error = await assertRejects(() => broker.connect(), ConnectionFailed);
      assertStringIncludes(error.message, path);
    });
    await chmod(join(folder, "closed"), 0o700);
  });
});

for (
  const [what, fileMode, folderMode] of [["file", 0o444, 0o777], ["folder", 0o666, 0o555]] as const
) {
  test(`SqliteBroker says that a ${what} that exists may not be written`, async () => {
    await withFolder(async (parent) => {
      await chmod(parent, 0o755);
      const folder = join(parent, "shared");
      await mkdir(folder);
      const path = join(folder, "tasks.db");
      const owner = new SqliteBroker({ path });
      await owner.enqueue(work("default", 1));
      await owner.close();
      fs.rmSync(`${path}-notify`, { force: true });
      await chmod(path, fileMode);
      await chmod(folder, folderMode);
      await asNobody(async () => {
        await using broker = new SqliteBroker({ path });
        const error = await assertRejects(
          () => broker.enqueue(work("default", 2)),
          ConnectionFailed,
        );
        assertStringIncludes(error.message, "the file and its folder must be");
        assertEquals(error.delivery, "none");
      });
      await chmod(folder, 0o700);
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
