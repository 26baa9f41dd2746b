import { spawn } from "node:child_process";
import { once } from "node:events";
import { link, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  actor,
  type BrokerConnectionError,
  ConnectionClosed,
  ConnectionFailed,
  Message,
  RequestRejected,
  SqliteBroker,
  Worker,
} from "@dq/dramatiq";
import { assertStorable } from "../../../brokers/sqlite/storing.ts";
import type { SqliteConnection } from "../../../clients/sqlite/connection.ts";
import { connectionOf } from "../../../clients/sqlite/handles.ts";
import { SCHEMA } from "../../../clients/sqlite/schema.ts";
import { receiveOne, work } from "../../conformance/broker_messages.ts";
import { withFolder } from "../../support/folder.ts";
import { test } from "../../support/test.ts";
import { OPENERS } from "./databases.ts";
import { failure } from "./failure.ts";

const openOther = OPENERS["node:sqlite"]!;
/** Milliseconds. A loop that stands still for longer is one that waits inside SQLite. */
const LONGEST_STALL = 1_000;

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

test("SqliteBroker names a folder that is missing, and makes it when it is told to", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "no", "such", "tasks.db");
    await using broker = new SqliteBroker({ path });
    const error = await failure(broker.connect());
    assertStringIncludes(error.message, `the folder ${join(folder, "no", "such")} does not exist`);
    assertEquals(error.delivery, "none");
    await using making = new SqliteBroker({ path, createFolder: true, share: false });
    await making.enqueue(work("default", 1));
    assertEquals(await modeOf(join(folder, "no", "such")), 0o700);
    await broker.enqueue(work("default", 2)); // it tries again by itself
    assertEquals((await broker.getQueueMessageCounts("default")).ready, 2);
  });
});

test("SqliteBroker makes files that only their owner may read", async () => {
  await withFolder(async (folder) => {
    await using broker = new SqliteBroker({ path: join(folder, "tasks.db") });
    await broker.enqueue(work("default", 1));
    const names = (await readdir(folder)).toSorted();
    const expected = ["tasks.db", "tasks.db-notify", "tasks.db-shm", "tasks.db-wal"];
    assertEquals(names, expected);
    for (const name of names) assertEquals(await modeOf(join(folder, name)), 0o600, name);
  });
});

test("SqliteBroker follows a symbolic link, so that all names of a file are one queue", async () => {
  await withFolder(async (folder) => {
    await mkdir(join(folder, "real"));
    const [path, link] = [join(folder, "real", "tasks.db"), join(folder, "link.db")];
    await using broker = new SqliteBroker({ path });
    await broker.connect();
    await symlink(path, link);
    await using linked = new SqliteBroker({ path: link, share: false });
    await using consumer = linked.consume("default");
    const receiving = receiveOne(consumer);
    await broker.enqueue(work("default", 1));
    assertEquals((await receiving).args, [1]);
    assertEquals((await readdir(folder)).toSorted(), ["link.db", "real"]);
  });
});

test("SqliteBroker makes the file that a symbolic link names, and all else beside it", async () => {
  await withFolder(async (folder) => {
    await mkdir(join(folder, "data"));
    const file = join(folder, "data", "tasks.db");
    await symlink("data/other.db", join(folder, "link.db"));
    await symlink("tasks.db", join(folder, "data", "other.db"));
    await using broker = new SqliteBroker({ path: join(folder, "link.db") });
    await broker.enqueue(work("default", 1));
    assertEquals(await modeOf(file), 0o600);
    assertEquals((await readdir(folder)).toSorted(), ["data", "link.db"]);
    await using same = new SqliteBroker({ path: file, share: false });
    assertEquals((await same.getQueueMessageCounts("default")).ready, 1);
    assertEquals(connectionOf(same).path, connectionOf(broker).path);
  });
});

test("SqliteBroker notifies through a file of its own, and follows and fills no other", async () => {
  await withFolder(async (folder) => {
    const [other, new_] = [join(folder, "other"), join(folder, "new")];
    await writeFile(other, "precious");
    const kinds: Readonly<Record<string, (notify: string) => Promise<unknown>>> = {
      link: (notify) => symlink(other, notify),
      dangling: (notify) => symlink(new_, notify),
      hard: (notify) => link(other, notify),
      folder: (notify) => mkdir(notify),
      pipe: (notify) => once(spawn("mkfifo", [notify]), "exit"),
    };
    for (const [kind, make] of Object.entries(kinds)) {
      const path = join(folder, `${kind}.db`);
      await make(`${path}-notify`);
      await using broker = new SqliteBroker({ path });
      await using consumer = broker.consume("default");
      const receiving = receiveOne(consumer); // polls
      await broker.enqueue(work("default", 1));
      assertEquals((await receiving).args, [1], kind);
      assertEquals(await readFile(other, "utf8"), "precious", kind);
    }
    await assertRejects(() => stat(new_), Error, "ENOENT");
  });
});

test("SqliteBroker says that a symbolic link names itself", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "loop.db");
    await symlink("loop.db", path);
    await using broker = new SqliteBroker({ path });
    assertStringIncludes((await failure(broker.connect())).message, path);
  });
});

test("SqliteBroker refuses what is no database, and leaves it as it is", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "notes.txt");
    const text = "These are notes, and no database at all. ".repeat(100);
    await writeFile(path, text);
    await using broker = new SqliteBroker({ path });
    assertStringIncludes((await failure(broker.connect())).message, "is not a database");
    assertEquals(await readFile(path, "utf8"), text);
    await using onDevice = new SqliteBroker({ path: "/dev/null" });
    assertStringIncludes((await failure(onDevice.connect())).message, "not a regular file");
    await using onFolder = new SqliteBroker({ path: folder });
    assertStringIncludes((await failure(onFolder.connect())).message, "it is a folder");
  });
});

test("SqliteBroker refuses a file that a newer library must write, and reads a compatible one", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    const set = async (name: string, value: number) => {
      await using broker = new SqliteBroker({ path });
      const connection = await opened(broker);
      const sql = "update dramatiq_meta set value=? where name=?";
      await connection.writer.transact(() => void connection.statement(sql).run(value, name));
    };
    await set("schema", 99);
    await using broker = new SqliteBroker({ path, share: false });
    await broker.enqueue(work("default", 1));
    await set("needs", 99);
    await using refused = new SqliteBroker({ path, share: false });
    assertStringIncludes(
      (await failure(refused.connect())).message,
      `was written by a newer @dq/dramatiq (schema 99; this one knows ${SCHEMA}); update the library`,
    );
  });
});

test("SqliteBroker opens one new file in many places at once", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    const brokers = Array.from({ length: 8 }, () => new SqliteBroker({ path, share: false }));
    await Promise.all(brokers.map((broker, i) => broker.enqueue(work("default", i))));
    assertEquals((await brokers[0]!.getQueueMessageCounts("default")).ready, 8);
    for (const broker of brokers) await broker.close();
  });
});

async function opened(broker: SqliteBroker): Promise<SqliteConnection> {
  const connection = connectionOf(broker);
  await connection.open();
  return connection;
}

test("SqliteBroker waits for the lock of another program without blocking, and sends then", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    await using broker = new SqliteBroker({ path });
    await broker.connect();
    const other = openOther(path);
    other.exec("begin immediate");
    const sending = Promise.all([1, 2, 3].map((n) => broker.enqueue(work("default", n))));
    let longest = 0;
    for (let i = 0, last = performance.now(); i < 50; i++) {
      await delay(5);
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }
    assert(longest < LONGEST_STALL, `the event loop stood still for ${longest} ms`);
    other.exec("commit");
    await sending;
    other.close();
    assertEquals((await broker.getQueueMessageCounts("default")).ready, 3);
  });
});

test("SqliteBroker gives up on a lock after lockTimeout, and says that nothing was sent", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    await using broker = new SqliteBroker({ path, lockTimeout: 50 });
    await broker.connect();
    const other = openOther(path);
    other.exec("begin immediate");
    const error = await failure(broker.enqueue(work("default", 1)));
    assertStringIncludes(error.message, "is locked by another program");
    assertEquals(error.delivery, "none");
    other.exec("rollback");
    other.close();
    await broker.enqueue(work("default", 2));
    assertEquals((await broker.getQueueMessageCounts("default")).ready, 1);
  });
});

test("SqliteBroker fails to send when the disk is full; workers make room and go on", async () => {
  await withFolder(async (folder) => {
    await using broker = new SqliteBroker({ path: join(folder, "tasks.db") });
    const ran: number[] = [];
    const note = actor((n: number, _text: string) => void ran.push(n), {
      broker,
      actorName: "note",
    });
    const connection = await opened(broker);
    const { page_count } = connection.statement("pragma page_count").get() as {
      page_count: number;
    };
    connection.statement(`pragma max_page_count=${page_count + 20}`).get();
    const sent: number[] = [];
    let error: BrokerConnectionError | undefined;
    for (let n = 0; error === undefined; n++) {
      await note.send(n, "x".repeat(3_000)).then(() => sent.push(n), (reason) => error = reason);
    }
    assertStringIncludes(error.message, "no room is left for");
    assertEquals([error instanceof ConnectionFailed, error.delivery], [true, "none"]);
    await using worker = new Worker(broker);
    await worker.start();
    await broker.join("default");
    assertEquals(ran, sent);
    await note.send(-1, "x".repeat(3_000));
    await broker.join("default");
  });
});

test("SqliteBroker refuses a message that is larger than SQLite stores", () => {
  const message = new Message({ queueName: "q", actorName: "a", args: [], messageId: "m" });
  assertThrows(
    () => assertStorable(message, { length: 1_000_000_001 } as Uint8Array),
    RequestRejected,
    "Cannot store message m of a: it has 1000000001 bytes",
  );
  assertStorable(message, { length: 1_000_000_000 } as Uint8Array);
});

test("SqliteBroker opens nothing but new files and its own notify file by the file system", async () => {
  // Closing a descriptor of the database, its log or its index drops the locks of this process.
  const root = new URL("../../../clients/sqlite/", import.meta.url);
  for (const name of await readdir(root)) {
    const text = await readFile(new URL(name, root), "utf8");
    const calls = [...text.matchAll(/\b(?:open|openSync|createReadStream|readFile\w*)\(.*$/gm)]
      .map(([call]) => call).filter((call) => call.startsWith("openSync"));
    const allowed: Record<string, string[]> = {
      "opening.ts": ['openSync(path, "wx", 0o600));'],
      "notify_file.ts": [
        "openSync(path, flags);",
        "openSync(path, flags | O_CREAT | O_EXCL, 0o600);",
      ],
    };
    assertEquals(calls, allowed[name] ?? [], name);
  }
});

test("SqliteBroker refuses an address that is incomplete or contradicts itself", async () => {
  const make = (options: object) => () => new SqliteBroker(options);
  assertThrows(make({}), TypeError, "give one of path, url and database");
  assertThrows(make({ path: "a.db", url: "sqlite:a.db" }), TypeError, "by path and url");
  assertThrows(make({ path: "" }), TypeError, "it must be a file");
  assertThrows(make({ path: "a.db", durability: "never" }), TypeError, "never");
  assertThrows(make({ path: "a.db", lockTimeout: -1 }), RangeError, "lockTimeout -1");
  assertThrows(make({ path: "a.db", maxPriority: 0 }), RangeError, "maxPriority 0");
  assertThrows(make({ path: "a.db", filename: "b" }), TypeError, "(here: path)");
  assertThrows(make({ database: {} }), TypeError, "must be an open connection");
  const database = openOther(":memory:");
  assertThrows(make({ database, durability: "power" }), TypeError, "Cannot use durability");
  database.close();
  await assertRejects(async () => {
    await using broker = new SqliteBroker({ path: ":memory:" });
    await broker.close();
    await broker.enqueue(work("default", 1));
  }, ConnectionClosed);
});
