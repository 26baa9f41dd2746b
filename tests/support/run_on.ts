/**
 * Runs the test suite on a runtime: `deno run -A tests/support/run_on.ts bun`, or some files of
 * it, when they are named behind. With the names of several runtimes, the suite runs on the first
 * while it runs on the others, one after the other, whose output is printed when they end.
 *
 * Uses the runtime that is installed if it is new enough, else the one from npm.
 * Installs the packages of `package-lock.json` first if they are not there.
 *
 * @module
 */

import { ADDRESS_VARIABLES } from "./servers/install.ts";
import { SHARED_VARIABLE, startOwnRabbitmq } from "./servers/rabbitmq.ts";

interface Runtime {
  /** Program to run; the version from npm when that is not installed, or too old. */
  readonly program: string;
  readonly package?: string;
  readonly minimum?: string;
  /** Files to run at the same time for each core: they wait for servers most of their time. */
  readonly filesPerCore: number;
  /** Its arguments before the names of files, given how many it is to run at the same time. */
  test(atOnce: number): string[];
  /** The files of the whole suite. @default {[]} It finds them by itself. */
  readonly files?: readonly string[];
  env?(atOnce: number): Record<string, string>;
}

const RUNTIMES: Record<string, Runtime> = {
  deno: {
    filesPerCore: 3,
    program: Deno.execPath(),
    // Types are checked by `deno task check`, beside other things and for the whole tree at once.
    test: () => ["test", "-A", "--doc", "--no-check", "--parallel"],
    env: (atOnce) => ({ DENO_JOBS: `${atOnce}` }),
  },
  bun: {
    filesPerCore: 4,
    program: "bun",
    package: "bun@1.4",
    minimum: "1.4.0",
    test: (atOnce) => ["test", "--timeout", "300000", `--parallel=${atOnce}`],
    files: ["./tests"],
  },
  node: {
    filesPerCore: 4,
    program: "node",
    package: "node@24",
    minimum: "22.18.0",
    test: (atOnce) => ["--test", `--test-concurrency=${atOnce}`],
    files: ["tests/**/*_test.ts"],
    // Each file is a process of its own, which would compile the library anew.
    env: () => ({ NODE_COMPILE_CACHE: `${Deno.cwd()}/node_modules/.cache/node` }),
  },
};

/** Files for each core when two runtimes share the machine. */
const SHARED_FILES_PER_CORE = 1.5;

const count = Deno.args.findIndex((name) => !Object.hasOwn(RUNTIMES, name));
const names = count < 0 ? Deno.args : Deno.args.slice(0, count);
const files = Deno.args.slice(names.length);
if (names.length === 0) {
  console.error(`Cannot run the tests on "${Deno.args[0] ?? ""}": it must be deno, bun or node`);
  Deno.exit(2);
}
const codes = await Promise.all([names.slice(0, 1), names.slice(1)].map(runInTurn));
Deno.exit(codes.find((code) => code !== 0) ?? 0);

/** Runs the suite on one runtime after the other. @returns The exit code of the first that failed. */
async function runInTurn(runtimes: readonly string[], lane: number): Promise<number> {
  let failure = 0;
  for (const name of runtimes) {
    const code = await runSuite(RUNTIMES[name]!, lane === 0);
    failure ||= code;
  }
  return failure;
}

/** Runs the suite on a runtime while there is a RabbitMQ for the files that need none of their own. */
async function runSuite(runtime: Runtime, isLive: boolean): Promise<number> {
  if (runtime.package !== undefined) await installPackages();
  const chosen = files.length > 0 ? files : runtime.files ?? [];
  const perCore = names.length > 1 ? SHARED_FILES_PER_CORE : runtime.filesPerCore;
  const atOnce = Math.ceil(perCore * navigator.hardwareConcurrency);
  const command = [...await find(runtime), ...runtime.test(atOnce), ...chosen];
  const isWanted = files.length === 0 && !Deno.env.get(ADDRESS_VARIABLES["rabbitmq-server"]);
  // Where it cannot be started, the files that need it say so.
  const server = isWanted ? await startOwnRabbitmq().catch(() => undefined) : undefined;
  try {
    const shared = server === undefined ? {} : { [SHARED_VARIABLE]: server.url };
    return await run(command, { ...runtime.env?.(atOnce), ...shared }, isLive);
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

/** Runs a command. Its output is printed as it comes, or when it ends. */
async function run(
  [program, ...args]: string[],
  env: Record<string, string> = {},
  isLive = true,
): Promise<number> {
  const title = `$ ${program} ${args.join(" ")}`;
  if (isLive) {
    console.log(title);
    const { code } = await new Deno.Command(program!, { args, env }).spawn().status;
    return code;
  }
  const child = new Deno.Command(program!, { args, env, stdout: "piped", stderr: "piped" }).spawn();
  const output: Uint8Array[] = [];
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    for await (const chunk of stream) output.push(chunk);
  };
  await Promise.all([collect(child.stdout), collect(child.stderr)]);
  const { code } = await child.status;
  console.log(`\n${title}`);
  for (const chunk of output) await print(chunk);
  return code;
}

/** Writes all of some bytes to standard output. */
async function print(bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) written += await Deno.stdout.write(bytes.subarray(written));
}
