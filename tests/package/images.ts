import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cell } from "./cell.ts";
import { build, pathWith } from "./dockerfile.ts";
import { type Project, ROOT, run } from "./project.ts";
import { PROGRAMS } from "./programs.ts";

/** The Dockerfiles of `docs/packages.md` that begin with an image. */
async function dockerfilesOf(image: string): Promise<string[]> {
  const text = await readFile(join(ROOT, "docs", "packages.md"), "utf8");
  return Array.from(text.matchAll(/^```dockerfile\n(.*?)^```/gms), ([, file]) => file!)
    .filter((file) => file.startsWith(`FROM ${image}:`));
}

/**
 * Builds images of a project, in folders, and gives what they run.
 *
 * @param project Where the package comes from.
 * @param images The bases of the Dockerfiles.
 * @param runtimes Programs by the names that Dockerfiles have for them.
 */
export async function cellsOfImages(
  project: Project,
  images: readonly string[],
  runtimes: Readonly<Record<string, string>>,
): Promise<Cell[]> {
  const context = join(project.folder, "..", "context");
  const path = await pathWith(join(context, "bin"), runtimes);
  await project.write(typeScript(context));
  for (const file of ["deno.json", "package.json"]) {
    await cp(join(project.folder, file), join(context, file)).catch(() => {}); // either
  }
  if (project.registry === undefined) await lock(context);
  const env = { ...project.env, PATH: path };
  const cells: Cell[] = [];
  for (const image of images) {
    for (const dockerfile of await dockerfilesOf(image)) {
      const { folder, command } = await build(dockerfile, context, env);
      const name = `image of ${image}: ${command.join(" ")}`;
      cells.push({ name, command, cwd: folder, env, place: "thread" });
    }
  }
  return cells;
}

/** The program as TypeScript, which imports nothing by the import map of the project. */
function typeScript(context: string): Record<string, string> {
  const actors = PROGRAMS["actors.js"]!.replace(
    /import \{ describe \} .*\n/,
    "const describe = (text: string, place: string): string => `ran ${text} in ${place}\\n`;\n",
  ).replace("actor((text) =>", "actor((text: string) =>").replace("env.QUEUE", "env.QUEUE!");
  return {
    [join("..", context.split("/").at(-1)!, "actors.ts")]: actors,
    [join("..", context.split("/").at(-1)!, "worker.ts")]: PROGRAMS["own.js"]!.replace(
      "./actors.js",
      "./actors.ts",
    ),
  };
}

/** Has the project depend on the tarball, as on a package of a registry. */
async function lock(context: string): Promise<void> {
  const tarball = join(context, "..", "dramatiq.tgz");
  const options = ["--package-lock-only", "--prefer-offline", "--no-audit", "--no-fund"];
  await run(["npm", "install", ...options, tarball], context);
}
