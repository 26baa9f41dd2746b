/**
 * Runs the test suite on runtimes: `deno run -A tests/support/run_on.ts deno bun`, or some files of
 * it, when they are named behind.
 *
 * Uses the runtime that is installed if it is new enough, else the one from npm.
 * Installs the packages of `package-lock.json` first if they are not there.
 *
 * @module
 */

import { Output } from "./output.ts";
import { installPackages } from "./packages.ts";
import { find, type Runtime, RUNTIMES } from "./runtimes.ts";
import { ADDRESS_VARIABLES } from "./servers/install.ts";
import { SHARED_VARIABLE, startOwnRabbitmq } from "./servers/rabbitmq.ts";
import { makeTestModules } from "./test_modules.ts";

/** A run of the suite on one runtime. */
interface SuiteRun {
  /** Resolves when all of its files have begun. */
  readonly hasBegun: Promise<void>;
  /** Its exit code. */
  readonly code: Promise<number>;
}

const end = Deno.args.findIndex((arg) => !(arg in RUNTIMES));
const names = end === -1 ? Deno.args : Deno.args.slice(0, end);
const files = end === -1 ? [] : Deno.args.slice(end);
if (names.length === 0) {
  console.error(`Cannot run the tests on "${files[0] ?? ""}": it must be deno, bun or node`);
  Deno.exit(2);
}
Deno.exit(await runInOrder(names.map((name) => RUNTIMES[name]!)));

/**
 * Runs the suite on one runtime after the other. Each begins when the last files of the one before
 * run, which leave the processor idle, and prints when that one has ended.
 */
async function runInOrder(runtimes: readonly Runtime[]): Promise<number> {
  let before: SuiteRun | undefined;
  for (const runtime of runtimes) {
    const output = new Output();
    if (before === undefined) output.show();
    else await before.hasBegun;
    const next = runOn(runtime, output);
    const code = await before?.code ?? 0;
    output.show();
    if (code !== 0) {
      await next.code;
      console.error("The suite that was begun before this one has failed: see above");
      return code;
    }
    before = next;
  }
  return await before!.code;
}

function runOn(runtime: Runtime, output: Output): SuiteRun {
  const { promise: hasBegun, resolve } = Promise.withResolvers<void>();
  const run = async () => {
    if (runtime.package !== undefined) await installPackages(output);
    const atOnce = runtime.filesPerCore * navigator.hardwareConcurrency;
    const command = [...await find(runtime), ...runtime.test(atOnce)];
    const env = runtime.env?.(atOnce);
    if (files.length > 0) return await output.run([...command, ...files], env);
    using modules = makeTestModules(runtime.cutsList ? atOnce : 1);
    modules.haveBegun.then(resolve);
    return await runWithServers([...command, ...modules.paths], env, output);
  };
  const code = run();
  code.finally(resolve);
  return { hasBegun, code };
}

/** Runs the command while there is a RabbitMQ for the files that need none of their own. */
async function runWithServers(
  command: string[],
  env: Record<string, string> | undefined,
  output: Output,
): Promise<number> {
  const isWanted = !Deno.env.get(ADDRESS_VARIABLES["rabbitmq-server"]);
  // Where it cannot be started, the files that need it say so.
  const server = isWanted ? await startOwnRabbitmq().catch(() => undefined) : undefined;
  try {
    const shared = server === undefined ? {} : { [SHARED_VARIABLE]: server.url };
    return await output.run(command, { ...env, ...shared });
  } finally {
    await server?.stop();
  }
}
