import { availableParallelism } from "node:os";
import { Command, Option } from "commander";
import { type ListenAddress, parseListenAddress } from "./health/address.ts";
import type { LogFormat } from "./log_line.ts";
import { helpAfterOptions } from "./help.ts";
import { COMMAND_LINE, type Program } from "./program.ts";
import { parseCommand } from "./parse_command.ts";
import {
  checkProgramOptions,
  CHOICES,
  type ExecutorName,
  type RunWorkerOptions,
} from "./program_options.ts";
import { UsageError } from "./usage_error.ts";
import { VERSION } from "../platform/version.ts";
import { commandName } from "./command_name.ts";

/** Parsed command line. {@linkcode RunWorkerOptions} documents the fields. */
export interface Arguments {
  readonly modules: readonly string[];
  readonly processes: number;
  /** `undefined` for no limit. */
  readonly maxTasksPerChild: number | undefined;
  readonly threads: number;
  readonly concurrency: number;
  readonly executor: ExecutorName;
  readonly queues: readonly string[];
  readonly pidFile: string | undefined;
  readonly logFile: string | undefined;
  /** `undefined`: readable on a terminal, JSON otherwise. */
  readonly logFormat: LogFormat | undefined;
  readonly skipLogging: boolean;
  readonly watch: string | undefined;
  readonly watchInclude: readonly string[];
  readonly watchExclude: readonly string[];
  readonly workerShutdownTimeout: number;
  readonly forkFunctions: readonly string[];
  /** Address of the health checks; `undefined` for none. */
  readonly http: ListenAddress | undefined;
  readonly liveTimeout: number;
  readonly verbose: boolean;
}

/** Options as parsed by commander; absent if not given. */
interface Given extends Omit<RunWorkerOptions, "modules" | "queues" | "forkFunctions"> {
  /** `true` for an empty list. */
  queues?: string[] | true;
  forkFunction?: string[];
}

/**
 * Parses the command line.
 *
 * @param args The arguments after the program.
 * @param defaults Options of the program, for those that the command line does not set.
 * @param program Modules can be omitted if the program itself declares actors.
 * @returns The parsed command line, or a text to print: the help, or the version.
 * @throws {UsageError} If the arguments are invalid.
 */
export function parseArguments(
  args: readonly string[],
  defaults: RunWorkerOptions = {},
  { declaresActors }: Program = COMMAND_LINE,
): Arguments | string {
  const command = makeCommand();
  const help = parseCommand(command, args);
  if (help !== undefined) return help;
  const given: Given = command.opts();
  checkProgramOptions(defaults);
  checkNumbers(defaults);
  const modules = [...defaults.modules ?? [], ...command.args];
  if (modules.length === 0 && !declaresActors) throw noModules(Array.isArray(given.queues));
  return complete(modules, given, defaults);
}

function noModules(hasQueues: boolean): UsageError {
  const what = hasQueues
    ? "name the modules that declare the actors, before --queues or after --"
    : "name the module that declares the actors";
  return new UsageError(
    `Cannot start a worker: ${what}, or import them in a program that calls runWorker()`,
  );
}

function complete(
  modules: readonly string[],
  { queues, forkFunction, ...given }: Given,
  defaults: RunWorkerOptions,
): Arguments {
  const wanted = { ...withoutUndefined(defaults), ...given };
  const executor = wanted.executor ?? (wanted.threads === 0 ? "inline" : "thread");
  return {
    modules,
    processes: wanted.processes ?? 1,
    maxTasksPerChild: wanted.maxTasksPerChild,
    threads: executor === "inline" ? 0 : wanted.threads || availableParallelism(),
    concurrency: wanted.concurrency ?? 8,
    executor,
    queues: queues === true ? [] : queues ?? defaults.queues ?? [],
    pidFile: wanted.pidFile,
    logFile: wanted.logFile,
    logFormat: wanted.logFormat,
    skipLogging: wanted.skipLogging ?? false,
    watch: wanted.watch,
    watchInclude: wanted.watchInclude ?? [],
    watchExclude: wanted.watchExclude ?? [],
    workerShutdownTimeout: wanted.workerShutdownTimeout ?? 600_000,
    forkFunctions: forkFunction ?? defaults.forkFunctions ?? [],
    http: wanted.http === undefined ? undefined : parseListenAddress("--http", wanted.http),
    liveTimeout: wanted.liveTimeout ?? 120_000,
    verbose: wanted.verbose ?? false,
  };
}

/** Options that are numbers, with their minimum. */
const NUMBERS = {
  processes: 1,
  maxTasksPerChild: 1,
  threads: 0,
  concurrency: 1,
  workerShutdownTimeout: 0,
  liveTimeout: 1,
} as const;

function makeCommand(): Command {
  const command = new Command(commandName())
    .usage("[options] module[:broker] [modules…]")
    .description("Runs actors: takes messages off the queues of a broker until told to stop.")
    .argument(
      "[modules...]",
      "files, URLs or packages that declare actors; the first one may name its broker, or a " +
        "function that sets one up",
    )
    .option("-p, --processes <n>", "worker processes (default: 1)", number("processes"))
    .option(
      "-t, --threads <n>",
      "threads of each process; 0 runs actors on its event loop (default: CPUs)",
      number("threads"),
    )
    .option(
      "-c, --concurrency <n>",
      "messages at once in each thread (default: 8)",
      number("concurrency"),
    )
    .addOption(
      new Option("--executor <kind>", "where actors run (default: thread)")
        .choices(CHOICES.executor),
    )
    .option("-Q, --queues [names...]", "work on these queues only")
    .option("--pid-file <path>", "write the process id to this file")
    .option("--log-file <path>", "append the log to this file")
    .addOption(
      new Option(
        "--log-format <kind>",
        "format of the log (default: text on a terminal, else json)",
      )
        .choices(CHOICES.logFormat),
    )
    .option("--skip-logging", "log fatal errors only")
    .option("--watch <folder>", "reload when source code in this folder changes")
    .option("-i, --watch-include <pattern>", "also watch these files; repeatable", collect)
    .option("-x, --watch-exclude <pattern>", "do not watch these files; repeatable", collect)
    .option(
      "--worker-shutdown-timeout <ms>",
      "time that running actors have to finish at a stop (default: 600000)",
      number("workerShutdownTimeout"),
    )
    .option(
      "-f, --fork-function <module:function>",
      "run this function in a process of its own; repeatable",
      collect,
    );
  return addProcessOptions(command)
    .option("-v, --verbose", "log every step of each message")
    .version(VERSION, "--version", "print the version")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", helpAfterOptions);
}

function addProcessOptions(command: Command): Command {
  return command
    .option(
      "--max-tasks-per-child <n>",
      "replace a worker process after this many messages",
      number("maxTasksPerChild"),
    )
    .option("--http <host:port>", "serve /livez, /readyz and /metrics on this address")
    .option(
      "--live-timeout <ms>",
      "silence of all processes after which /livez fails (default: 120000)",
      number("liveTimeout"),
    );
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

/** Makes a parser of a whole number. */
function number(name: keyof typeof NUMBERS): (text: string) => number {
  const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return (text) => checkNumber(flag, /^\d+$/.test(text) ? Number(text) : text, NUMBERS[name]);
}

function checkNumbers(options: RunWorkerOptions): void {
  for (const [name, least] of Object.entries(NUMBERS)) {
    const value = options[name as keyof typeof NUMBERS];
    if (value !== undefined) checkNumber(name, value, least);
  }
}

function checkNumber(name: string, value: unknown, least: number): number {
  if (Number.isSafeInteger(value) && value as number >= least) return value as number;
  throw new UsageError(
    `Cannot use "${value}" for ${name}: it must be a whole number of ${least} or more`,
  );
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as T;
}
