/** A runtime that the test suite runs on. */
export interface Runtime {
  /** Program to run; the version from npm when that is not installed, or too old. */
  readonly program: string;
  readonly package?: string;
  readonly minimum?: string;
  /** Files to run at the same time for each core: they wait for servers most of their time. */
  readonly filesPerCore: number;
  /** Its arguments before the names of files, given how many it is to run at the same time. */
  test(atOnce: number): string[];
  env?(atOnce: number): Record<string, string>;
  /** True if each of its processes begins with a piece of the list of files, instead of the next file. */
  readonly cutsList?: boolean;
}

/** The runtimes by their names. */
export const RUNTIMES: Readonly<Record<string, Runtime>> = {
  deno: {
    filesPerCore: 3,
    program: Deno.execPath(),
    // Types are checked by `deno task check`, beside other things and for the whole tree at once.
    test: () => ["test", "-A", "--no-check", "--parallel"],
    env: (atOnce) => ({ DENO_JOBS: `${atOnce}` }),
  },
  bun: {
    filesPerCore: 4,
    program: "bun",
    package: "bun@1.4",
    minimum: "1.4.0",
    test: (atOnce) => ["test", "--timeout", "300000", `--parallel=${atOnce}`],
    cutsList: true,
  },
  node: {
    filesPerCore: 4,
    program: "node",
    package: "node@24",
    minimum: "22.18.0",
    test: (atOnce) => ["--test", `--test-concurrency=${atOnce}`],
    // Each file or group is a process of its own, which would compile the library anew.
    env: () => ({ NODE_COMPILE_CACHE: `${Deno.cwd()}/node_modules/.cache/node` }),
  },
};

/** The command of a runtime: the installed one if it is new enough, else the one from npm. */
export async function find({ program, package: npm, minimum }: Runtime): Promise<string[]> {
  if (npm === undefined || minimum === undefined) return [program];
  try {
    const { stdout } = await new Deno.Command(program, { args: ["--version"] }).output();
    const version = new TextDecoder().decode(stdout).trim().replace(/^v/, "");
    if (isAtLeast(version, minimum)) return [program];
  } catch {
    // It is not installed.
  }
  return ["npx", "-y", npm];
}

function isAtLeast(version: string, minimum: string): boolean {
  const found = version.split(".").map(Number);
  for (const [i, wanted] of minimum.split(".").map(Number).entries()) {
    if (found[i] !== wanted) return (found[i] ?? 0) > wanted;
  }
  return true;
}
