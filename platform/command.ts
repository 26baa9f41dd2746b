/**
 * Commands that start processes like this one: the same runtime, with the same flags.
 *
 * @module
 */
import {
  builtinModule,
  isPermitted,
  isStandalone,
  mainModule,
  runtime,
  thisProcess,
} from "./runtime.ts";

/** Flags that make a runtime start a program anew, listen for a debugger, or run tests. */
const FOR_ONE_PROCESS = /^--(?:watch|hot|inspect|test|reload|cwd|eval|print)(?:-[a-z-]+)?(?:=|$)/;
/** Flags whose value is the next word, and goes with them. */
const WITH_VALUE = /^(?:--(?:cwd|eval|print)|-(?:e|p|pe))$/;
/** Flags of Deno among those that are given for V8. */
const OF_DENO =
  /^(?:-A|-c|--(?:allow|deny|unstable|cert|config|no-config|import-map|env-file|node-modules|lock|no-lock|cached-only|v8-flags|preload|require|import|location|seed|conditions|no-|vendor|permission)\b)/;
/** Permissions that a flag of Deno grants as a whole. */
const PERMISSIONS = ["env", "ffi", "import", "net", "read", "run", "sys", "write"];

/**
 * The command that starts this program once more, with the flags of the runtime that it was
 * started with.
 *
 * @param own Flags besides.
 * @returns The runtime, its flags, and the program; its arguments come behind.
 */
export function commandOfThisProgram(own: readonly string[] = []): string[] {
  const { argv, execPath } = thisProcess();
  if (isStandalone()) return [execPath];
  if (runtime !== "deno") return [execPath, ...flagsOf(own), argv[1]!];
  const given = ownCommandLine();
  // As it was typed: for `jsr:` and `npm:` Deno looks for the configuration as it did for this one.
  return [execPath, "run", ...denoFlags(own), given?.main ?? mainModule()];
}

/**
 * The command that starts another program with the flags of the runtime that this one was
 * started with, and on Deno with its permissions and its configuration.
 *
 * @param main The URL of the program.
 * @param own Flags besides; those that are not Deno's go to V8 there.
 * @returns The runtime, its flags, and the program.
 */
export function commandOf(main: URL, own: readonly string[] = []): string[] {
  const { execPath } = thisProcess();
  const program = main.protocol === "file:" ? toPath(main) : main.href;
  if (runtime !== "deno") return [execPath, ...flagsOf(own), program];
  return [execPath, "run", ...denoFlags(own), program];
}

/**
 * Modules that Bun loads before any other. Its threads do not inherit them.
 *
 * @returns What `--preload`, `-r`, `--require` and `--import` named; empty on other runtimes.
 */
export function preloadedModules(): string[] {
  if (runtime !== "bun") return [];
  const { execArgv } = thisProcess();
  return execArgv.flatMap((flag, i) => {
    const [, value] = /^--(?:preload|require|import)=(.*)$/.exec(flag) ?? [];
    if (value !== undefined) return [value];
    return /^(?:-r|--(?:preload|require|import))$/.test(flag) ? [execArgv[i + 1]!] : [];
  });
}

function flagsOf(own: readonly string[]): string[] {
  const { execArgv } = thisProcess();
  return [...forChildren(execArgv), ...own];
}

/** The flags that children are started with, too. */
function forChildren(flags: readonly string[]): string[] {
  return flags.filter((flag, i) => {
    if (WITH_VALUE.test(flag) || i > 0 && WITH_VALUE.test(flags[i - 1]!)) return false;
    const isReload = runtime === "deno" && flag === "-r"; // elsewhere it preloads a module
    return !isReload && !FOR_ONE_PROCESS.test(flag);
  });
}

function denoFlags(own: readonly string[]): string[] {
  const flags = ownCommandLine()?.flags ?? permissionFlags();
  const hasConfig = flags.some((flag) =>
    /^(?:-c|--config|--no-config|--import-map)(?:=|$)/.test(flag)
  );
  const config = hasConfig ? undefined : configFile();
  const ofV8 = own.filter((flag) => !OF_DENO.test(flag));
  return [
    ...forChildren(flags),
    ...(config === undefined ? [] : [`--config=${config}`]),
    ...own.filter((flag) => OF_DENO.test(flag)),
    ...(ofV8.length === 0 ? [] : [`--v8-flags=${ofV8.join(",")}`]),
  ];
}

/** Command line of `deno run`: its flags, and the program. */
interface CommandLine {
  readonly flags: readonly string[];
  readonly main: string;
}

/** The permissions may change while a program runs; what it was started with does not. */
let known: { readonly line: CommandLine | undefined } | undefined;

/** The command line of Deno, which tells its flags nobody; the system does, where it may be asked. */
function ownCommandLine(): CommandLine | undefined {
  known ??= { line: parseCommandLine(readCommandLine()) };
  return known.line;
}

function parseCommandLine(words: readonly string[] | undefined): CommandLine | undefined {
  if (words === undefined) return undefined;
  const { argv } = thisProcess();
  const own = words.slice(1, words.length - (argv.length - 2));
  const isRun = own[0] === "run";
  const flags = isRun ? own.slice(1, -1) : own.slice(0, -1);
  const main = own.at(-1);
  // `deno test`, `deno serve` and others take flags that `deno run` does not.
  if (main === undefined || !isRun && flags.some((flag) => /^[a-z]/.test(flag))) return undefined;
  return isRun || flags.length > 0 || /[./:]/.test(main) ? { flags, main } : undefined;
}

function readCommandLine(): string[] | undefined {
  const split = (text: string) => text.split("\0").slice(0, -1);
  try {
    return split(builtinModule("node:fs").readFileSync("/proc/self/cmdline", "utf8"));
  } catch {
    // Files below /proc need all permissions on Deno: a program of the system needs only to run.
  }
  if (!isPermitted("run")) return undefined;
  try {
    const { execFileSync } = builtinModule("node:child_process");
    const path = `/proc/${thisProcess().pid}/cmdline`;
    return split(execFileSync("cat", [path], { encoding: "utf8", stdio: "pipe" }));
  } catch {
    return undefined; // no such file system
  }
}

function permissionFlags(): string[] {
  const granted = PERMISSIONS.filter((name) => isPermitted(name));
  return granted.length === PERMISSIONS.length ? ["-A"] : granted.map((name) => `--allow-${name}`);
}

/** The configuration that Deno found for this program; for one on a server it looks for none. */
function configFile(): string | undefined {
  const { dirname, join, resolve } = builtinModule("node:path");
  const { existsSync } = builtinModule("node:fs");
  const main = URL.parse(mainModule());
  let folder = main?.protocol === "file:" ? dirname(toPath(main)) : resolve();
  for (;;) {
    for (const name of ["deno.json", "deno.jsonc"]) {
      const path = join(folder, name);
      if (isPermitted("read", { path }) && existsSync(path)) return path;
    }
    const above = dirname(folder);
    if (above === folder) return undefined;
    folder = above;
  }
}

function toPath(url: URL): string {
  return builtinModule("node:url").fileURLToPath(url);
}
