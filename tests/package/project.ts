import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { assert, assertEquals } from "@std/assert";
import { packForNpm } from "../../release/npm_package.ts";
import { PROGRAMS } from "./programs.ts";
import { Registry } from "./registry.ts";

/** The root of the repository. */
export const ROOT: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Tools from npm that the tests of the tarball need: one version each, for the same output. */
const TOOLS = [
  "@types/node@24.10.1",
  "esbuild@0.28.2",
  "typescript@5.9.3",
  "vite@7.3.8",
  "vitest@4.1.12",
  "webpack@5.113.0",
];
/** Options of `npm install`: none of these packages needs its script. */
const INSTALL = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--no-save"];

/**
 * Runs a program to its end.
 *
 * @param command The program and its arguments.
 * @param cwd Where.
 * @param env Variables besides those of this process.
 * @returns What it printed.
 * @throws {Error} If it fails, with what it printed.
 */
export async function run(
  [program, ...args]: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const options = { cwd, env: { ...process.env, NO_COLOR: "1", ...env }, maxBuffer: 2 ** 26 };
  try {
    const { stdout, stderr } = await promisify(execFile)(program!, args, options);
    return stdout + stderr;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`Cannot run ${program} ${args.join(" ")}: ${stdout}${stderr}`, {
      cause: error,
    });
  }
}

/** A project in a folder of its own that uses the package, not this checkout. */
export class Project implements AsyncDisposable {
  /** Folder. */
  readonly folder: string;
  /** Variables for its programs. */
  readonly env: Readonly<Record<string, string>>;
  /** Registry of its package, on Deno. */
  readonly registry: Registry | undefined;

  private constructor(
    folder: string,
    env: Readonly<Record<string, string>>,
    registry: Registry | undefined,
  ) {
    this.folder = folder;
    this.env = env;
    this.registry = registry;
  }

  /** Makes a project for Deno, whose package is published to a registry on this machine. */
  static async onDeno(): Promise<Project> {
    const top = await mkdtemp(join(tmpdir(), "dramatiq-package-"));
    const folder = join(top, "project");
    await mkdir(folder);
    const registry = await Registry.start(join(top, "published"));
    const cache = join(top, "cache");
    await mkdir(cache);
    // What comes from npm is the same for all: only the package itself must come anew.
    const { npmCache } = JSON.parse(await run([process.execPath, "info", "--json"], folder));
    await mkdir(npmCache, { recursive: true });
    await symlink(npmCache, join(cache, "npm"));
    const env = { JSR_URL: registry.url, DENO_DIR: cache, DENO_NO_UPDATE_CHECK: "1" };
    await publish(join(top, "copy"), env);
    const { version } = JSON.parse(await readFile(join(ROOT, "deno.json"), "utf8"));
    const config = {
      imports: { "@dq/dramatiq": `jsr:@dq/dramatiq@^${version}`, "#where": "./where.js" },
      nodeModulesDir: "none",
    };
    await writeFile(join(folder, "deno.json"), JSON.stringify(config));
    const project = new Project(folder, env, registry);
    await project.write(PROGRAMS);
    return project;
  }

  /** Makes a project for Node and Bun, whose package is a tarball. */
  static async onNode(): Promise<Project> {
    const top = await mkdtemp(join(tmpdir(), "dramatiq-package-"));
    const folder = join(top, "project");
    await mkdir(folder);
    const tarball = join(top, "dramatiq.tgz");
    await packForNpm(tarball);
    const fields = { type: "module", imports: { "#where": "./where.js" } };
    await writeFile(join(folder, "package.json"), JSON.stringify(fields));
    const [tools] = await Promise.all([
      installTools(),
      run(["npm", "install", ...INSTALL, tarball], folder),
    ]);
    await linkPackages(tools, join(folder, "node_modules"));
    const project = new Project(folder, {}, undefined);
    await project.write(PROGRAMS);
    return project;
  }

  /** Writes files. */
  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      const path = join(this.folder, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    }
  }

  /** Runs a program to its end. */
  async run(...command: string[]): Promise<string> {
    return await run(command, this.folder, this.env);
  }

  /** Stops the registry, and removes all. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry?.[Symbol.asyncDispose]();
    await rm(dirname(this.folder), { recursive: true });
  }
}

/** @returns The program of README.md that sends, and works. */
export async function readmeProgram(): Promise<string> {
  const text = await readFile(join(ROOT, "README.md"), "utf8");
  return /^```ts ignore\n(import process .*?)^```/ms.exec(text)![1]!;
}

/** Installs the tools, once for a checkout: there are 80 packages. Returns their folder. */
async function installTools(): Promise<string> {
  const name = createHash("sha256").update(TOOLS.join()).digest("hex").slice(0, 16);
  const folder = join(ROOT, "node_modules", ".cache", `package-tools-${name}`);
  if (!existsSync(folder)) {
    const fresh = `${folder}.${process.pid}`;
    await mkdir(fresh, { recursive: true });
    await writeFile(join(fresh, "package.json"), "{}");
    await run(["npm", "install", ...INSTALL, ...TOOLS], fresh);
    await rename(fresh, folder); // at once: another run may look for it
  }
  return join(folder, "node_modules");
}

/** Links the tools into the packages of a project; they find their own packages where they are. */
async function linkPackages(tools: string, packages: string): Promise<void> {
  for (const tool of TOOLS) {
    const name = tool.slice(0, tool.lastIndexOf("@"));
    await mkdir(dirname(join(packages, name)), { recursive: true });
    await symlink(join(tools, name), join(packages, name));
  }
}

/** Publishes a copy of what belongs to the repository: other folders lie around in a checkout. */
async function publish(copy: string, env: Readonly<Record<string, string>>): Promise<void> {
  const files = (await run(["git", "ls-files", "-co", "--exclude-standard"], ROOT)).trim();
  for (const file of files.split("\n")) {
    await cp(join(ROOT, file), join(copy, file)).catch((error) => {
      if (error.code !== "ENOENT") throw error; // just removed
    });
  }
  const options = ["--token", "x", "--no-provenance", "--no-check", "--allow-dirty"];
  await run([process.execPath, "publish", ...options], copy, env);
}

/**
 * Checks that a package holds what its users need and nothing else: modules, pages, and what the links
 * of its README lead to, which registries take for paths in the package or its repository.
 *
 * @param files The names of its files.
 * @param modules What its modules are called.
 */
export async function assertPublished(files: readonly string[], modules: RegExp): Promise<void> {
  const PAGES =
    /^(?:docs\/(?:operations\/)?[\w-]+|README|CHANGELOG|CONTRIBUTING|(?:bench|examples)\/README)\.md$|^LICENSE$/;
  const DATA = /^docs\/(?:operations\/(?:alerts\.yaml|dashboard\.json)|pictures\/queues\.png)$/;
  const OTHERS = /^(?:tests|bench|examples|release|\.\w+|node_modules)\//;
  const isWanted = (file: string) =>
    PAGES.test(file) || DATA.test(file) || !OTHERS.test(file) && modules.test(file);
  assertEquals(files.filter((file) => !isWanted(file)), []);
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const links = Array.from(
    readme.matchAll(/\[[^\]]*\]\(([^)\s#]+)[^)]*\)/g),
    ([, link]) => link!,
  ).filter((link) => !/^https?:/.test(link));
  assert(links.length > 5, "it must see links");
  assertEquals(links.filter((link) => !files.includes(link)), []);
}

/** @returns Names of the files in a folder, those in folders below included. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1));
}
