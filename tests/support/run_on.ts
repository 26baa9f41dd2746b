/**
 * Runs the test suite on a runtime: `deno run -A tests/support/run_on.ts bun`, or some files of
 * it, when they are named behind.
 *
 * Uses the runtime that is installed if it is new enough, else the one from npm.
 * Installs the packages of `package-lock.json` first if they are not there.
 *
 * @module
 */

import { ADDRESS_VARIABLES } from "./servers/install.ts";
import { SHARED_VARIABLE, startOwnRabbitmq } from "./servers/rabbitmq.ts";
import { makeTestModules } from "./test_modules.ts";

interface Runtime {
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

const RUNTIMES: Record<string, Runtime> = {
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

/** Characters of a command that are printed: that of the suite names all of its files. */
const LONGEST_LINE = 200;

const [name = "", ...files] = Deno.args;
const runtime = RUNTIMES[name];
if (runtime === undefined) {
  console.error(`Cannot run the tests on "${name}": it must be deno, bun or node`);
  Deno.exit(2);
}
if (runtime.package !== undefined) await installPackages();
const isWhole = files.length === 0;
const filesAtOnce = runtime.filesPerCore * navigator.hardwareConcurrency;
const command = [...await find(runtime), ...runtime.test(filesAtOnce)];
const env = runtime.env?.(filesAtOnce);
Deno.exit(isWhole ? await runSuite() : await run([...command, ...files], env));

async function runSuite(): Promise<number> {
  using modules = makeTestModules(runtime!.cutsList ? filesAtOnce : 1);
  return await runWithServers([...command, ...modules.paths]);
}

/** Runs the command while there is a RabbitMQ for the files that need none of their own. */
async function runWithServers(command: string[]): Promise<number> {
  const isWanted = !Deno.env.get(ADDRESS_VARIABLES["rabbitmq-server"]);
  // Where it cannot be started, the files that need it say so.
  const server = isWanted ? await startOwnRabbitmq().catch(() => undefined) : undefined;
  try {
    const shared = server === undefined ? {} : { [SHARED_VARIABLE]: server.url };
    return await run(command, { ...env, ...shared });
  } finally {
    await server?.stop();
  }
}

/** The installed runtime if it is new enough, else the one from npm. */
async function find({ program, package: npm, minimum }: Runtime): Promise<string[]> {
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

/** Installs packages unless that was done since the lock file last changed. */
async function installPackages(): Promise<void> {
  const lock = await Deno.stat("package-lock.json");
  const installed = await Deno.stat("node_modules/.package-lock.json").catch(() => undefined);
  if (installed !== undefined && installed.mtime! >= lock.mtime!) return;
  // better-sqlite3 brings compiled code, and npm would compile it anew, with headers from the network.
  const code = await run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
  if (code !== 0) Deno.exit(code);
}

async function run(
  [program, ...args]: string[],
  env: Record<string, string> = {},
): Promise<number> {
  const line = `$ ${program} ${args.join(" ")}`;
  console.log(line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)} …` : line);
  const { code } = await new Deno.Command(program!, { args, env }).spawn().status;
  return code;
}
