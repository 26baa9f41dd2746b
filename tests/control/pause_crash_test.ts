import { join } from "node:path";
import { startForFile } from "../brokers/redis/fixture.ts";
import { testLong } from "../servers/own.ts";
import { newAddress } from "./cancel_matrix_check.ts";
import { checkPauseCrash } from "./pause_crash_check.ts";

const RULE =
  "A pause outlives the worker that paused, which is killed, and workers that replace it";

const { test, server } = await startForFile({}, testLong("redis-server"));

test(`${RULE}: Redis`, () => checkPauseCrash(() => ({ ...newAddress(), redis: server.url })));

test(`${RULE}: SQLite`, async () => {
  await checkPauseCrash((folder) => ({ ...newAddress(), path: join(folder, "tasks.db") }));
});
