import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { SqliteRateLimiterBackend } from "@dq/dramatiq";
import { checkAddress } from "../../clients/sqlite/address.ts";
import { acquireConnection } from "../../clients/sqlite/handles.ts";
import { rateLimiterBackendConformance } from "../conformance/rate_limiter_backend.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { after, test } from "../support/test.ts";

const folder = await mkdtemp(join(tmpdir(), "dramatiq-sqlite-"));
const path = join(folder, "limits.db");
const { connection, release } = acquireConnection(checkAddress({ path }));
after(async () => {
  await release();
  await rm(folder, { recursive: true });
});

const NO_SERVER = "there is no server";
const forget = (key: string) =>
  connection.writer.transact(() => {
    connection.statement("delete from dramatiq_counters where key=?").run(key);
  });

rateLimiterBackendConformance({
  name: "SqliteBackend",
  open: () => new SqliteRateLimiterBackend({ path, share: false }),
  forget,
  endClaim: (group) => forget(`${group}@claim`),
  address: { kind: "sqlite", address: path },
  skips: { membersUnderCuts: NO_SERVER, leaseUnderCuts: NO_SERVER, restart: NO_SERVER },
});

test("SqliteRateLimiterBackend gives a lease that has expired to another, by its clock", async () => {
  const clock = new FakeClock();
  await using backend = new SqliteRateLimiterBackend({ path: ":memory:", clock });
  assertEquals(await backend.lease("mutex", "first", 1, 1_000), true);
  clock.jump(999);
  assertEquals(await backend.lease("mutex", "second", 1, 1_000), false);
  clock.jump(1);
  assertEquals(await backend.lease("mutex", "second", 1, 1_000), true);
  assertEquals(await backend.lease("mutex", "first", 1, 1_000), false);
});
