/**
 * Runs the test suite on Bun or Node: `deno run -A tests/support/run_on.ts bun`.
 *
 * Uses the runtime that is installed if it is new enough, else the one from npm.
 * Installs the packages of `package-lock.json` first if they are not there.
 *
 * @module
 */

const RUNTIMES: Record<string, { package: string; minimum: string; test: string[] }> = {
  bun: { package: "bun@1.4", minimum: "1.4.0", test: ["test", "--timeout", "120000", "./tests"] },
  node: { package: "node@24", minimum: "22.18.0", test: ["--test", "tests/**/*_test.ts"] },
};

const [name = ""] = Deno.args;
const runtime = RUNTIMES[name];
if (runtime === undefined) {
  console.error(`Cannot run the tests on "${name}": it must be bun or node`);
  Deno.exit(2);
}
await installPackages();
Deno.exit(await run([...await command(name), ...runtime.test]));

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

async function run([program, ...args]: string[]): Promise<number> {
  console.log(`$ ${program} ${args.join(" ")}`);
  const { code } = await new Deno.Command(program!, { args }).spawn().status;
  return code;
}
