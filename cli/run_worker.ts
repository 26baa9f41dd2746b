import process from "node:process";
import { commandOfThisProgram } from "../platform/command.ts";
import { flagsMissingToStartPrograms, readEnvironment } from "../platform/runtime.ts";
import { escapeLines } from "../platform/escape.ts";
import { errorMessage, formatTraceback } from "../platform/thrown.ts";
import { type Arguments, parseArguments } from "./arguments.ts";
import { type Role, ROLE_VARIABLE } from "./child.ts";
import type { HealthService } from "./health/service.ts";
import { KILLED, NO_CONNECTION, OK, PID_FILE, WRONG_USAGE } from "./exit_codes.ts";
import { sendRecord } from "./ipc.ts";
import { LogWriter } from "./log_writer.ts";
import { standardOutputFailure, writeAll } from "./output.ts";
import { PidFile, PidFileError } from "./pid_file.ts";
import { thisProgram } from "./program.ts";
import type { RunWorkerOptions } from "./program_options.ts";
import { SUBCOMMANDS } from "./subcommands.ts";
import { Supervisor } from "./supervisor.ts";
import { isDumbTerminal } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

const STANDARD_OUTPUT = 1;
const STANDARD_ERROR = 2;

/** Implements `runWorker` of `worker.ts`. */
export async function runWorker(options: RunWorkerOptions = {}): Promise<never> {
  const args = process.argv.slice(2);
  const role = takeRole();
  try {
    if (role !== undefined) process.exit(await runChild(parse(args, options), role));
    process.exit(await runCommand(args, options));
  } catch (error) {
    const code = await exitCodeFor(error);
    if (code === undefined && role !== undefined) throw error;
    // The supervisor logs the error, once for all children.
    if (role !== undefined) sendRecord({ type: "fatal", text: errorMessage(error) });
    // Not thrown: runtimes print errors with all that a server has put into them.
    else writeAll(STANDARD_ERROR, `${escapeLines(await describe(error, code)).trimEnd()}\n`);
    process.exit(code ?? KILLED);
  }
}

/** Parses the arguments in a child. The supervisor has already handled `--help` and errors. */
function parse(args: readonly string[], options: RunWorkerOptions): Arguments {
  return parseArguments(args, options, thisProgram(options.modules)) as Arguments;
}

async function runCommand(args: readonly string[], options: RunWorkerOptions): Promise<number> {
  const program = thisProgram(options.modules);
  const subcommand = SUBCOMMANDS.get(args[0] ?? "");
  if (subcommand !== undefined) {
    return codeAfterOutput(await subcommand.run(args.slice(1), program));
  }
  const isHelp = args.length === 1 && args[0] === "help";
  const parsed = parseArguments(isHelp ? ["--help"] : args, options, program);
  if (typeof parsed === "string") {
    writeAll(STANDARD_OUTPUT, parsed);
    return OK;
  }
  return await supervise(parsed);
}

/**
 * A reader that has closed the pipe has seen enough; output lost for another reason is an error.
 */
function codeAfterOutput(code: number): number {
  const failure = standardOutputFailure();
  if (failure === undefined || (failure as { code?: string }).code === "EPIPE") return code;
  writeAll(STANDARD_ERROR, `Cannot write the output: ${errorMessage(failure)}\n`);
  return code === OK ? KILLED : code;
}

async function supervise(args: Arguments): Promise<number> {
  const missing = flagsMissingToStartPrograms();
  if (missing.length > 0) {
    throw new UsageError(
      `Cannot start worker processes without permission: run again with ${
        missing.join(" ")
      }, or -A`,
    );
  }
  const pidFile = args.pidFile === undefined ? undefined : new PidFile(args.pidFile);
  try {
    return await superviseWith(args, openLog(args));
  } finally {
    pidFile?.[Symbol.dispose]();
  }
}

function openLog({ logFile, logFormat, skipLogging }: Arguments): LogWriter {
  const isTerminal = logFile === undefined && process.stderr.isTTY === true;
  return new LogWriter({
    file: logFile,
    format: logFormat ?? (isTerminal ? "text" : "json"),
    color: isTerminal && readEnvironment("no_color") === undefined && !isDumbTerminal(),
    isSilent: skipLogging,
  });
}

async function superviseWith(args: Arguments, log: LogWriter): Promise<number> {
  const command = [...commandOfThisProgram(), ...process.argv.slice(2)];
  const supervisor = new Supervisor(args, command, log);
  const health = await openHealth(args, supervisor);
  supervisor.observer = health;
  const watch = args.watch === undefined ? undefined : (await import("./watch.ts")).watchSources(
    args.watch,
    args,
    (path) => supervisor.reload(`${path} has changed`),
  );
  try {
    return await supervisor.run();
  } finally {
    watch?.[Symbol.dispose]();
    await health?.close();
    await log.flushed();
    // Deno cannot exit while a write blocks a thread.
    if (log.isBlocked) process.on("exit", () => process.kill(process.pid, "SIGKILL"));
  }
}

/** Opens health checks if requested by `--http` or systemd; otherwise they are not imported. */
async function openHealth(
  args: Arguments,
  supervisor: Supervisor,
): Promise<HealthService | undefined> {
  if (args.http === undefined && process.env["NOTIFY_SOCKET"] === undefined) return undefined;
  const { takeSystemdEnvironment } = await import("./health/systemd.ts");
  const { HealthService } = await import("./health/service.ts");
  return await HealthService.open(args, supervisor, takeSystemdEnvironment());
}

/** Runs a child. The worker is imported only here, not in the supervisor. */
async function runChild(args: Arguments, role: Role): Promise<number> {
  if (role.kind === "worker") {
    const { runWorkerProcess } = await import("./worker_process.ts");
    return await runWorkerProcess(args);
  }
  const { runForkProcess } = await import("./fork_process.ts");
  return await runForkProcess(args, role);
}

/**
 * The role of this process. Removes the variable, so that processes started from here do not
 * inherit it.
 */
function takeRole(): Role | undefined {
  const text = readEnvironment(ROLE_VARIABLE);
  if (text === undefined) return undefined;
  delete process.env[ROLE_VARIABLE];
  return JSON.parse(text);
}

/** An error as text: with its stack if it is a bug. */
async function describe(error: unknown, code: number | undefined): Promise<string> {
  const { BrokerError } = await import("../core/errors.ts");
  const isExpected = code !== undefined || error instanceof BrokerError;
  return isExpected ? errorMessage(error) : formatTraceback(error);
}

/** The exit code for an error of the user or the environment; `undefined` for others. */
async function exitCodeFor(error: unknown): Promise<number | undefined> {
  if (error instanceof UsageError) return WRONG_USAGE;
  if (error instanceof PidFileError) return PID_FILE;
  const { BrokerConnectionError, MiddlewareError } = await import("../core/errors.ts");
  if (error instanceof BrokerConnectionError) return NO_CONNECTION;
  // RangeError: an invalid environment variable. MiddlewareError: a hook refuses to start.
  if (error instanceof RangeError || error instanceof MiddlewareError) return WRONG_USAGE;
  const { isPackageError } = await import("../platform/missing_package.ts");
  if (isPackageError(error)) return WRONG_USAGE;
  return undefined;
}
