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

/** Flags that are not inherited: they restart a program, listen for a debugger, or run tests. */
const FOR_ONE_PROCESS = /^--(?:watch|hot|inspect|test|reload|cwd|eval|print)(?:-[a-z-]+)?(?:=|$)/;
/** Flags that are not inherited and whose value is the next argument. */
const WITH_VALUE = /^(?:--(?:cwd|eval|print)|-(?:e|p|pe))$/;
/** Deno's own flags; `commandOf` passes all others to V8. */
const OF_DENO =
  /^(?:-A|-c|--(?:allow|deny|unstable|cert|config|no-config|import-map|env-file|node-modules|lock|no-lock|cached-only|v8-flags|preload|require|import|location|seed|conditions|no-|vendor|permission)\b)/;
/** Permissions that a flag of Deno grants as a whole. */
const PERMISSIONS = ["env", "ffi", "import", "net", "read", "run", "sys", "write"];

/**
 * The command that starts this program once more, with the runtime flags that it was started with.
 *
 * @param extraFlags Flags to add.
 * @returns The runtime, its flags, and the program; append the program's arguments.
 */
export function commandOfThisProgram(extraFlags: readonly string[] = []): string[] {
  const { argv, execPath } = thisProcess();
  if (isStandalone()) return [execPath];
  if (runtime !== "deno") return [execPath, ...flagsWith(extraFlags), argv[1]!];
  // As it was typed: so Deno finds the same configuration for a `jsr:` or `npm:` program.
  const typed = ownCommandLine()?.main;
  return [execPath, "run", ...denoFlagsWith(extraFlags), typed ?? mainModule()];
}

/**
 * The command that starts another program with the runtime flags of this one; on Deno these include
 * its permissions and its configuration.
 *
 * @param main The URL of the program.
 * @param extraFlags Flags to add. On Deno, flags that it does not know are passed to V8.
 * @returns The runtime, its flags, and the program.
 */
export function commandOf(main: URL, extraFlags: readonly string[] = []): string[] {
  const { execPath } = thisProcess();
  const program = main.protocol === "file:" ? toPath(main) : main.href;
  if (runtime !== "deno") return [execPath, ...flagsWith(extraFlags), program];
  return [execPath, "run", ...denoFlagsWith(extraFlags), program];
}

/**
 * Modules that Bun preloads. Its threads do not inherit them.
 *
 * @returns Values of `--preload`, `-r`, `--require` and `--import`; empty on other runtimes.
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

function flagsWith(extraFlags: readonly string[]): string[] {
  const { execArgv } = thisProcess();
  return [...inheritedFlags(execArgv), ...extraFlags];
}

function inheritedFlags(flags: readonly string[]): string[] {
  return flags.filter((flag, i) => {
    if (WITH_VALUE.test(flag) || i > 0 && WITH_VALUE.test(flags[i - 1]!)) return false;
    const isReload = runtime === "deno" && flag === "-r"; // elsewhere it preloads a module
    return !isReload && !FOR_ONE_PROCESS.test(flag);
  });
}

function denoFlagsWith(extraFlags: readonly string[]): string[] {
  const flags = ownCommandLine()?.flags ?? permissionFlags();
  const hasConfig = flags.some((flag) =>
    /^(?:-c|--config|--no-config|--import-map)(?:=|$)/.test(flag)
  );
  const config = hasConfig ? undefined : configFile();
  const ofV8 = extraFlags.filter((flag) => !OF_DENO.test(flag));
  return [
    ...inheritedFlags(flags),
    ...(config === undefined ? [] : [`--config=${config}`]),
    ...extraFlags.filter((flag) => OF_DENO.test(flag)),
    ...(ofV8.length === 0 ? [] : [`--v8-flags=${ofV8.join(",")}`]),
  ];
}

/** Flags and program of a `deno run`. */
interface CommandLine {
  readonly flags: readonly string[];
  readonly main: string;
}

/** Kept from the first read: later the program may have dropped the permission to read it. */
let cached: { readonly line: CommandLine | undefined } | undefined;

/** Command line of this Deno process. Deno has no API for its flags, so the system is asked. */
function ownCommandLine(): CommandLine | undefined {
  cached ??= { line: parseCommandLine(readCommandLine()) };
  return cached.line;
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
    // On Deno, reading /proc needs all permissions; running `cat` needs only --allow-run.
  }
  if (!isPermitted("run")) return undefined;
  try {
    const { execFileSync } = builtinModule("node:child_process");
    const path = `/proc/${thisProcess().pid}/cmdline`;
    return split(execFileSync("cat", [path], { encoding: "utf8", stdio: "pipe" }));
  } catch {
    return undefined; // this system has no /proc
  }
}

function permissionFlags(): string[] {
  const granted = PERMISSIONS.filter((name) => isPermitted(name));
  return granted.length === PERMISSIONS.length ? ["-A"] : granted.map((name) => `--allow-${name}`);
}

/** The nearest configuration file above a local program, else above the working directory. */
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
