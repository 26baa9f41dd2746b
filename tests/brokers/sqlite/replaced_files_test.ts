import { renameSync } from "node:fs";
import { readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  actor,
  type BrokerConnectionError,
  ConnectionClosed,
  Message,
  SqliteBroker,
  Worker,
} from "@dq/dramatiq";
import { connectionOf } from "../../../clients/sqlite/handles.ts";
import { receiveOne, work } from "../../conformance/broker_messages.ts";
import { withFolder } from "../../support/folder.ts";
import { linesOf, textOf } from "../../support/log.ts";
import { eventually } from "../../support/servers/until.ts";
import { test } from "../../support/test.ts";
import { failure } from "./failure.ts";

test("SqliteBroker notices that its file was deleted, and works again once there is one", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    await using broker = new SqliteBroker({ path });
    await broker.enqueue(work("default", "lost with its file"));
    for (const name of await readdir(folder)) await rm(join(folder, name));
    const errors: BrokerConnectionError[] = [];
    const send = () => broker.enqueue(work("default", 1)).catch((error) => void errors.push(error));
    await eventually("notice", async () => (await send(), errors.length > 0));
    assert(errors[0] instanceof ConnectionClosed);
    assertStringIncludes(errors[0].message, "the file was deleted, moved or replaced");
    assertStringIncludes((await failure(broker.connect())).message, "was deleted or moved");
    await using maker = new SqliteBroker({ path, share: false });
    await maker.connect();
    const lines = await linesOf({ category: ["dramatiq", "sqlite"] }, async () => {
      await broker.enqueue(work("default", 2));
    });
    assertMatch(lines.map(textOf).join(), /^Reopened .+tasks\.db after \d+\.\d s$/);
    assertEquals((await maker.getQueueMessageCounts("default")).ready, 1);
  });
});

test("SqliteBroker notices what replaced its file, though it leads nowhere", async () => {
  await withFolder(async (root) => {
    const replacements: Readonly<Record<string, (path: string) => Promise<void>>> = {
      link: async (path) => {
        await rm(path);
        await symlink("tasks.db", path); // to itself
      },
      file: async (path) => {
        await rm(dirname(path), { recursive: true });
        await writeFile(dirname(path), "");
      },
    };
    await Promise.all(
      Object.entries(replacements).map(async ([kind, replace]) => {
        const path = join(root, kind, "tasks.db");
        await using broker = new SqliteBroker({ path, createFolder: true });
        await broker.connect();
        await replace(path);
        const errors: unknown[] = [];
        const send = () => broker.enqueue(work("default", 1)).catch((error) => errors.push(error));
        await eventually("notice", async () => (await send(), errors.length > 0));
        assertStringIncludes(String(errors[0]), "the file was deleted, moved or replaced", kind);
        assertStringIncludes((await failure(broker.connect())).message, path);
      }),
    );
  });
});

test("SqliteBroker goes on without its notify file, whatever link replaced it", async () => {
  await withFolder(async (folder) => {
    const other = join(folder, "other");
    await writeFile(other, "");
    for (const target of ["self", "missing", "other"]) {
      const path = join(folder, `${target}.db`);
      const notify = `${path}-notify`;
      await using broker = new SqliteBroker({ path });
      await using consumer = broker.consume("default");
      await broker.enqueue(work("default", 1));
      await consumer.ack([await receiveOne(consumer)]);
      await symlink(target === "self" ? notify : join(folder, target), `${path}-link`);
      renameSync(`${path}-link`, notify);
      connectionOf(broker).notifier.check(); // as once a second, before there is a file event
      const receiving = receiveOne(consumer);
      await broker.enqueue(work("default", 2));
      assertEquals((await receiving).args, [2], target);
    }
    assertEquals(await readFile(other, "utf8"), "");
    await assertRejects(() => stat(join(folder, "missing")), Error, "ENOENT");
  });
});

test("Worker goes on with a file that takes the place of its own", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    {
      await using other = new SqliteBroker({ path: join(folder, "backup.db") });
      await other.enqueue(new Message({ queueName: "default", actorName: "note", args: ["old"] }));
    }
    await using broker = new SqliteBroker({ path });
    const noted: string[] = [];
    const note = actor((text: string) => void noted.push(text), { broker, actorName: "note" });
    process.env["dramatiq_restart_delay"] = "10";
    await using worker = new Worker(broker);
    delete process.env["dramatiq_restart_delay"];
    await worker.start();
    await note.send("before");
    await broker.join("default");
    for (const end of ["", "-wal", "-shm"]) await rm(path + end, { force: true });
    await rename(join(folder, "backup.db"), path);
    await eventually("run what the other file has", () => noted.includes("old"));
  });
});
