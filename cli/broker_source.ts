import type { Command } from "commander";
import type { Broker } from "../core/broker.ts";
import { readEnvironment } from "../platform/runtime.ts";
import { errorMessage } from "../platform/thrown.ts";
import { loadModules } from "./load_modules.ts";
import { parseCommand } from "./parse_command.ts";
import type { Program } from "./program.ts";
import { UsageError } from "./usage_error.ts";

/** Source of the broker of a command: modules of the application, or its address alone. */
export type BrokerSource =
  | { readonly modules: readonly string[] }
  | { readonly url: string };

const VARIABLE = "DRAMATIQ_BROKER_URL";

/** Lets a command do without the modules of the application. */
export function addBrokerOption(command: Command): Command {
  return command.option(
    "--broker <url>",
    `work on this broker (or on that of ${VARIABLE}) without the modules of the application; hooks ` +
      "of its middleware do not run then",
  );
}

/**
 * Reads the arguments of a command on a broker.
 *
 * @param command The options, with {@linkcode addBrokerOption}, and `[modules...]` last.
 * @param args The arguments after its name.
 * @param program Modules that need not be named.
 * @param purpose What for, after "Cannot ".
 * @returns The broker, or the help to print.
 * @throws {UsageError} If they make no sense.
 */
export function parseBrokerSource(
  command: Command,
  args: readonly string[],
  program: Program,
  purpose: string,
): BrokerSource | string {
  return parseCommand(command, args) ?? brokerSourceOf(command, command.args, program, purpose);
}

/**
 * Determines the broker of a command whose arguments were parsed.
 *
 * @param command The options, with {@linkcode addBrokerOption}.
 * @param named The modules among its arguments.
 * @param program Modules that need not be named.
 * @param purpose What for, after "Cannot ".
 * @returns The broker.
 * @throws {UsageError} If it is named twice, or not at all.
 */
export function brokerSourceOf(
  command: Command,
  named: readonly string[],
  program: Program,
  purpose: string,
): BrokerSource {
  const { broker } = command.opts<{ broker?: string }>();
  if (broker !== undefined) {
    if (named.length === 0) return { url: broker };
    throw new UsageError(`Cannot ${purpose}: give either modules or --broker, not both`);
  }
  const isCommandLine = program.modules.length === 0 && !program.declaresActors;
  if (named.length > 0 || !isCommandLine) return { modules: [...program.modules, ...named] };
  const url = readEnvironment(VARIABLE.toLowerCase());
  if (url !== undefined) return { url };
  throw new UsageError(
    `Cannot ${purpose}: name the module that declares the broker, as for a worker, or give its ` +
      `address by --broker or ${VARIABLE}`,
  );
}

/**
 * Opens the broker of a command.
 *
 * @param source Where it is.
 * @returns The broker, which connects when it is first used.
 * @throws {UsageError} If a module does not import, or that is not the address of a broker.
 */
export async function openBroker(source: BrokerSource): Promise<Broker> {
  if ("modules" in source) return (await loadModules(source.modules)).broker;
  await assertHasQueues(source.url);
  const { brokerFromUrl } = await import("../brokers/from_url.ts");
  try {
    return brokerFromUrl(source.url);
  } catch (error) {
    throw new UsageError(errorMessage(error), { cause: error });
  }
}

/**
 * A mistyped path would make a new file with nothing in it, or add tables to the database of
 * another program.
 */
async function assertHasQueues(url: string): Promise<void> {
  if (!/^sqlite:/i.test(url)) return;
  const { findQueues } = await import("../brokers/sqlite/has_queues.ts");
  const found = findQueues(url);
  if (found === "no file") {
    throw new UsageError(`Cannot open broker "${url}": there is no such file`);
  }
  if (found === "no queues") {
    throw new UsageError(
      `Cannot open broker "${url}": the file has no tables of this library; is it the file of ` +
        "another program?",
    );
  }
}
