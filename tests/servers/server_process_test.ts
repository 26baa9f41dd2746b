import { spawn } from "node:child_process";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { sendCommands } from "../support/servers/resp.ts";
import { until } from "../support/servers/until.ts";
import { testOwn } from "./own.ts";

const test = testOwn("redis-server");

test("ServerProcess does not outlive a process that is killed, nor does its folder", async () => {
  const apart = fileURLToPath(new URL("apart.ts", import.meta.url));
  const args = runtime === "deno" ? ["run", "-A", "--no-config", apart, "start"] : [apart, "start"];
  const parent = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
  const [line] = await once(parent.stdout, "data");
  const { port, folder } = JSON.parse(String(line));
  const address = { host: "127.0.0.1", port };
  assertEquals(await sendCommands(address, [["PING"]]), ["PONG"]);

  parent.kill("SIGKILL");
  await once(parent, "close");

  const isDown = () => sendCommands(address, [["PING"]]).then(() => false, () => true);
  await until(isDown, { what: "see the server end" });
  const isGone = () => stat(folder).then(() => false, () => true);
  await until(isGone, { what: "see the folder go" });
});
