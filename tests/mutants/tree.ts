import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

/** Files are copied so many at a time. */
const AT_ONCE = 64;

/** A copy of the files that git knows or would add, as they are now. */
export class TreeCopy implements AsyncDisposable {
  /** Its folder. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Copies a repository to a temporary folder.
   *
   * @param root The repository.
   */
  static async make(root: string): Promise<TreeCopy> {
    const path = await mkdtemp(join(tmpdir(), "dramatiq-mutants-"));
    const files = await listFiles(root);
    for (const folder of new Set(files.map((file) => dirname(file)))) {
      await mkdir(join(path, folder), { recursive: true });
    }
    for (let i = 0; i < files.length; i += AT_ONCE) {
      await Promise.all(files.slice(i, i + AT_ONCE).map((file) => copy(root, path, file)));
    }
    await symlink(join(root, "node_modules"), join(path, "node_modules"));
    return new TreeCopy(path);
  }

  /**
   * Changes a file while something runs.
   *
   * @param file The file, from the root.
   * @param change Gives its text for the time.
   * @param run What runs meanwhile.
   */
  async with<T>(
    file: string,
    change: (source: string) => string,
    run: () => Promise<T>,
  ): Promise<T> {
    const path = join(this.path, file);
    const source = await readFile(path, "utf8");
    await writeFile(path, change(source));
    try {
      return await run();
    } finally {
      await writeFile(path, source);
    }
  }

  /** Removes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

async function listFiles(root: string): Promise<string[]> {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const { stdout } = await promisify(execFile)("git", args, { cwd: root, maxBuffer: 2 ** 26 });
  return stdout.split("\0").filter((file) => file !== "");
}

async function copy(from: string, to: string, file: string): Promise<void> {
  try {
    await copyFile(join(from, file), join(to, file));
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") throw error; // removed, not yet committed
  }
}
