/**
 * Runs the test suite on Bun or Node: `deno run -A tests/support/run_on.ts bun`.
 *
 * Uses the runtime that is installed if it is new enough, else the one from npm.
 * Installs the packages of `package-lock.json` first if they are not there.
 *
 * @module
 */

interface Runtime {
  readonly package: string;
  readonly minimum: string;
  /** Its arguments, given how many files it is to run at the same time. */
  test(files: number): string[];
  readonly env?: Record<string, string>;
}

const RUNTIMES: Record<string, Runtime> = {
  bun: {
    package: "bun@1.4",
    minimum: "1.4.0",
    test: (files) => ["test", "--timeout", "300000", `--parallel=${files}`, "./tests"],
  },
  node: {
    package: "node@24",
    minimum: "22.18.0",
    test: (files) => ["--test", `--test-concurrency=${files}`, "tests/**/*_test.ts"],
    // Each file is a process of its own, which would compile the library anew.
    env: { NODE_COMPILE_CACHE: "node_modules/.cache/node" },
  },
};
/** One more than there are cores: files wait for servers half of their time. */
const FILES_AT_ONCE = navigator.hardwareConcurrency + 1;

const [name = ""] = Deno.args;
const runtime = RUNTIMES[name];
if (runtime === undefined) {
  console.error(`Cannot run the tests on "${name}": it must be bun or node`);
  Deno.exit(2);
}
await installPackages();
Deno.exit(await run([...await command(name), ...runtime.test(FILES_AT_ONCE)], runtime.env));

/** The installed runtime if it is new enough, else the one from npm. */
async function command(name: string): Promise<string[]> {
  try {
    const { stdout } = await new Deno.Command(name, { args: ["--version"] }).output();
    const version = new TextDecoder().decode(stdout).trim().replace(/^v/, "");
    if (isAtLeast(version, runtime!.minimum)) return [name];
  } catch {
    // It is not installed.
  }
  return ["npx", "-y", runtime!.package];
}

function isAtLeast(version: string, minimum: string): boolean {
  const found = version.split(".").map(Number);
  for (const [i, wanted] of minimum.split(".").map(Number).entries()) {
    if (found[i] !== wanted) return (found[i] ?? 0) > wanted;
  }
  return true;
}

/** Installs packages unless that was done since the lock file last changed. */
async function installPackages(): Promise<void> {
  const lock = await Deno.stat("package-lock.json");
  const installed = await Deno.stat("node_modules/.package-lock.json").catch(() => undefined);
  if (installed !== undefined && installed.mtime! >= lock.mtime!) return;
  const code = await run(["npm", "ci", "--no-audit", "--no-fund"]);
  if (code !== 0) Deno.exit(code);
}

async function run(
  [program, ...args]: string[],
  env: Record<string, string> = {},
): Promise<number> {
  console.log(`$ ${program} ${args.join(" ")}`);
  const { code } = await new Deno.Command(program!, { args, env }).spawn().status;
  return code;
}
