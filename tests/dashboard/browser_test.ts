import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { assertEquals } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { ROOT } from "../cli/fixture.ts";
import { runsLongTests } from "../servers/own.ts";
import { ensureInstalled, findProgram } from "../support/servers/install.ts";
import { skip, test } from "../support/test.ts";
import { serveScenes } from "./serve.ts";

const DRIVER = join(ROOT, "tests", "dashboard", "driver.ts");

/** Runs the driver on Node against a server of this runtime. */
async function drive(node: string, ...args: string[]): Promise<string> {
  const browser = await ensureInstalled("chromium");
  await using server = await serveScenes();
  const { stdout } = await promisify(execFile)(node, [DRIVER, server.url, browser, ...args], {
    cwd: ROOT,
    env: { ...process.env, NODE_NO_WARNINGS: "1" },
    maxBuffer: 2 ** 24,
  });
  return stdout;
}

/** A Node that runs TypeScript; the driver of the browser runs on no other runtime. */
async function findNode(): Promise<string | undefined> {
  const node = runtime === "node" ? process.execPath : await findProgram("node");
  if (node === undefined) return undefined;
  const { stdout } = await promisify(execFile)(node, ["--version"]);
  const [major = 0, minor = 0] = stdout.slice(1).split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 18) ? node : undefined;
}

const NAME = "A browser finds the pages safe, accessible, live, and usable without script";
const node = await findNode();
const mayInstall = process.getuid?.() === 0 && await findProgram("apt-get") !== undefined;
const hasBrowser = await findProgram("chromium") !== undefined || mayInstall;

if (node === undefined) skip(NAME, "Node 22.18 or later drives the browser");
else if (runtime === "bun" && !runsLongTests) skip(NAME, "it takes long, runs on Deno and Node");
else if (!hasBrowser) skip(NAME, "chromium is not installed, and this user may not install it");
else {
  // All pages in both schemes and widths take long, and hardly depend on the runtime of the server.
  const mode = runsLongTests ? "full" : "quick";
  test(NAME, async () => {
    const steps = (await drive(node, mode)).trim().split("\n")
      .map((line) => JSON.parse(line) as { name: string; error?: string });
    assertEquals(steps.filter(({ error }) => error !== undefined), []);
    assertEquals(steps.length, 7);
  });
}

if (node !== undefined && process.env["UPDATE_PICTURES"]) {
  test("Pictures of the pages are made", async () => {
    const folder = join(ROOT, "docs", "pictures");
    await mkdir(folder, { recursive: true });
    await drive(node, "pictures", folder);
  });
}
