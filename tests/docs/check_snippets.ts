/**
 * Checks the types of the snippets of README.md and docs/ that `deno check --doc` leaves out
 * because they are not run, as far as they are whole modules: `deno task check:snippets`.
 *
 * @module
 */
import { join } from "node:path";
import { type Fence, fencesOf, readPages, ROOT } from "./pages.ts";

const { imports }: { imports: Record<string, string> } = JSON.parse(
  await Deno.readTextFile(join(ROOT, "deno.json")),
);

/** True for a snippet whose imports are this package, its dependencies, and `actors.ts`. */
function canBeChecked({ text }: Fence): boolean {
  const modules = Array.from(text.matchAll(/^import .*"([^"]+)";$/gm), ([, module]) => module!);
  const isHere = (module: string) =>
    /^(?:@dq\/dramatiq|node:)/.test(module) || module in imports || module === "./actors.ts";
  return modules.some((module) => module.startsWith("@dq/dramatiq")) && modules.every(isHere);
}

const folder = await Deno.makeTempDir({ prefix: "dramatiq-snippets-" });
try {
  const ignored = (await readPages()).flatMap(fencesOf)
    .filter(({ language, isIgnored }) => language === "ts" && isIgnored);
  const snippets = ignored.filter(canBeChecked);
  // Types of Bun are not installed, and the actors of a page are those of the first steps.
  await Deno.writeTextFile(
    join(folder, "bun.d.ts"),
    "declare const Bun: { serve(options: object): void };\n",
  );
  const actors = snippets.find(({ text }) => text.includes("export const brew"))!;
  await Deno.writeTextFile(join(folder, "actors.ts"), actors.text);
  const files: string[] = [];
  for (const { page, line, text } of snippets) {
    const file = join(folder, `${page.name.replaceAll("/", "_")}_${line}.ts`);
    await Deno.writeTextFile(file, `/// <reference path="./bun.d.ts" />\n${text}`);
    files.push(file);
  }
  const args = ["check", "--quiet", "--config", join(ROOT, "deno.json"), ...files];
  const { code } = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
  Deno.exitCode = code;
} finally {
  await Deno.remove(folder, { recursive: true });
}
