import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { binaryOf } from "../../release/npm_binary.ts";
import { withFolder } from "../support/folder.ts";
import { skip, test } from "../support/test.ts";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const NEEDS = "Cannot run dramatiq: Node 22.18 or later is needed, this is";
/** Versions of Node, and what the command says on them. */
const SAID: Readonly<Record<string, string>> = {
  "18.20.8": `2: ${NEEDS} 18.20.8\n`,
  "22.9.0": `2: ${NEEDS} 22.9.0\n`,
  "22.18.0": "0: worker\n",
  "24.0.0": "0: worker\n",
};

const NAME = "dramatiq says which version of Node it needs, before it loads anything";
if (runtime !== "node") skip(NAME, "it is about Node");
else {
  test(NAME, () =>
    withFolder(async (folder) => {
      const { engines } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
      await writeFile(join(folder, "package.json"), `{ "type": "module" }`);
      await writeFile(join(folder, "dramatiq.js"), binaryOf(engines));
      const worker = `export function runWorker() { console.log("worker"); }`;
      await writeFile(join(folder, "worker.js"), worker);
      const said = await Promise.all(
        Object.keys(SAID).map(async (version) => [version, await runOn(version, folder)] as const),
      );
      assertEquals(Object.fromEntries(said), SAID);
    }));
}

/** Exit code and output of the command on a Node that takes itself for another version. */
function runOn(version: string, folder: string): Promise<string> {
  const fake = `Object.defineProperty(process, "versions", { value: { node: "${version}" } })`;
  const args = ["--import", `data:text/javascript,${encodeURIComponent(fake)}`, "dramatiq.js"];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: folder }, (error, stdout, stderr) => {
      resolve(`${error?.code ?? 0}: ${stdout}${stderr}`);
    });
  });
}
