import { join } from "node:path";
import { startForFile } from "../brokers/redis/fixture.ts";
import { runsLongTests } from "../servers/own.ts";
import { withFolder } from "../support/folder.ts";
import { skip, test } from "../support/test.ts";
import { checkMatrix, newAddress } from "./cancel_matrix_check.ts";

const { test: testOnRedis, server } = await startForFile();
const RULE = "A cancelled message does not run, wherever it is and whenever its worker is killed";

testOnRedis(`${RULE}: Redis`, async () => {
  await checkMatrix(() => ({ ...newAddress(), redis: server.url }));
});

if (!runsLongTests) skip(`${RULE}: SQLite`, "it takes long, and runs on Deno");
else {
  test(`${RULE}: SQLite`, async () => {
    await withFolder(async (folder) => {
      await checkMatrix((moment) => ({ ...newAddress(), path: join(folder, `${moment}.db`) }));
    });
  });
}
