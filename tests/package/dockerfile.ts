import { mkdir, mkdtemp, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { run } from "./project.ts";

/** Command and working directory of an image. */
export interface Built {
  readonly folder: string;
  readonly command: readonly string[];
}

/**
 * Does what a Dockerfile says, in folders instead of images: each stage is one, whose working directory
 * it is.
 *
 * @param text The Dockerfile.
 * @param context The folder with the files of the project.
 * @param env Variables; `PATH` has the runtimes.
 * @returns What the last stage runs.
 * @throws {Error} If an instruction is none of those that are known here, or a command fails.
 */
export async function build(
  text: string,
  context: string,
  env: Readonly<Record<string, string>>,
): Promise<Built> {
  const stages = new Map<string, string>();
  let folder = "";
  let workdir = "/";
  let command: readonly string[] | undefined;
  for (const line of text.trim().split("\n").filter((line) => line !== "")) {
    const [, instruction, rest] = /^([A-Z]+) (.+)$/.exec(line) as unknown as [
      string,
      string,
      string,
    ];
    switch (instruction) {
      case "FROM":
        folder = await mkdtemp(join(dirname(context), "stage-"));
        stages.set(/ AS (\w+)$/.exec(rest)?.[1] ?? "", folder);
        break;
      case "WORKDIR":
        workdir = rest;
        break;
      case "COPY": {
        const [, stage, files] = /^(?:--from=(\w+) )?(.+) \.\/$/.exec(rest)!;
        const from = stage === undefined ? context : stages.get(stage)!;
        const paths = files!.replaceAll(`${workdir}/`, "");
        await run(["sh", "-c", `cp -R ${paths} ${folder}`], from);
        break;
      }
      case "RUN":
        await run(["sh", "-c", rest], folder, env);
        break;
      case "CMD":
        command = JSON.parse(rest);
        break;
      default:
        throw new Error(`Cannot do ${instruction}`);
    }
  }
  return { folder, command: command! };
}

/**
 * Makes a folder of programs.
 *
 * @param folder Where.
 * @param programs Paths by the names that commands have for them.
 * @returns A `PATH` in which they come first.
 */
export async function pathWith(
  folder: string,
  programs: Readonly<Record<string, string>>,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const [name, path] of Object.entries(programs)) {
    await symlink(path, join(folder, name));
  }
  return `${folder}:${process.env["PATH"]}`;
}
