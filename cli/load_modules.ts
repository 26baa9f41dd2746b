import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Broker } from "../core/broker.ts";
import { errorMessage, formatTraceback } from "../core/thrown.ts";
import { getBroker } from "../core/global_broker.ts";
import { UsageError } from "./arguments.ts";

/**
 * Imports the modules that declare actors.
 *
 * @param specifiers Paths relative to the working directory, or URLs; the first one
 *   may name the export that holds the broker: `actors.ts:broker`.
 * @returns The broker that is named, else the global one.
 * @throws {UsageError} If a module does not import, or the export is no broker.
 */
export async function loadModules(specifiers: readonly string[]): Promise<Broker> {
  const [[first, exportName], ...others] = specifiers.map(splitExport) as [
    [string, string | undefined],
    ...[string, string | undefined][],
  ];
  const module = await load(first);
  for (const [other] of others) await load(other);
  if (exportName === undefined) return globalBroker();

  const broker = exportName.split(".").reduce<unknown>(
    (value, name) => (value as Record<string, unknown> | undefined)?.[name],
    module,
  );
  if (broker instanceof Broker) return broker;
  throw new UsageError(
    `Cannot use ${exportName} of ${first}: it is ${
      broker === undefined ? "not exported" : "no broker"
    }`,
  );
}

/** Parts a name behind a colon from a path; a URL has colons of its own. */
function splitExport(specifier: string): [string, string | undefined] {
  const match = /^(.*[^/:]):([A-Za-z_$][\w$.]*)$/.exec(specifier);
  return match === null ? [specifier, undefined] : [match[1]!, match[2]];
}

async function load(specifier: string): Promise<Record<string, unknown>> {
  const url = /^[a-z][a-z+.-]+:/i.test(specifier)
    ? specifier
    : pathToFileURL(resolve(specifier)).href;
  try {
    return await import(url);
  } catch (error) {
    throw new UsageError(`Cannot import ${specifier}: ${whatFailed(error)}`, { cause: error });
  }
}

/** One line for what the runtime says of a module; where it failed for what a module throws. */
function whatFailed(error: unknown): string {
  const isOfRuntime = error instanceof SyntaxError ||
    /^(?:Module not found|Cannot find|Expected|The module's source)/.test(errorMessage(error)) ||
    (error as { code?: string }).code === "ERR_MODULE_NOT_FOUND";
  return isOfRuntime ? errorMessage(error) : formatTraceback(error).trimEnd();
}

function globalBroker(): Broker {
  try {
    return getBroker();
  } catch (error) {
    throw new UsageError(errorMessage(error), { cause: error });
  }
}
