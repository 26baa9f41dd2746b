/**
 * Checks the types of the snippets of README.md and docs/ that `deno check --doc` leaves out
 * because they are not run, as far as they are whole modules: `deno task check:snippets`.
 *
 * @module
 */
import { join } from "node:path";
import { fencesOf, readPages, ROOT } from "./pages.ts";

const folder = await Deno.makeTempDir({ prefix: "dramatiq-snippets-" });
try {
  const snippets = (await readPages()).flatMap(fencesOf).filter((fence) =>
    fence.language === "ts" && fence.isIgnored && /^import .* from "@dq\/dramatiq/m.test(fence.text)
  );
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
