import { existsSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { Broker } from "../core/broker.ts";
import { getBroker, hasBroker } from "../core/global_broker.ts";
import { isBundled } from "../platform/bundle.ts";
import { resolvePackage } from "../platform/runtime.ts";
import { remindUntilEnded } from "../platform/slow_start.ts";
import { errorMessage } from "../platform/thrown.ts";
import { COMMAND_NAMES } from "./command_names.ts";
import { toImportError } from "./import_errors.ts";
import { writeAll } from "./output.ts";
import { similarFile, similarName } from "./similar_file.ts";
import { UsageError } from "./usage_error.ts";

/** Receives a warning, as a sentence. */
export type Warn = (text: string) => void;

const STANDARD_ERROR = 2;

function printWarning(text: string): void {
  writeAll(STANDARD_ERROR, `${text}\n`);
}

/** Result of importing the modules. */
export interface Loaded {
  /** The broker of the actors. */
  readonly broker: Broker;
  /** URLs, or package names, by which threads import the same modules. */
  readonly urls: readonly string[];
  /** Export of the first module that is the broker, or a function that sets it up. */
  readonly brokerExport: string | undefined;
}

/**
 * Imports the modules that declare actors.
 *
 * @param specifiers Paths relative to the working directory, URLs, or package names. The first may
 *   name an export: the broker, `actors.ts:broker`, or a function that sets one up,
 *   `actors.ts:setup`. Empty if the program itself declares its actors.
 * @param warn Called when one has not been imported after a while. @default Prints it.
 * @returns The exported broker, or the one that the function returns; otherwise the global one.
 * @throws {UsageError} If a module cannot be imported, or the export is not a broker.
 * @throws {BrokerConnectionError} If a module, or the function, throws it.
 */
export async function loadModules(
  specifiers: readonly string[],
  warn: Warn = printWarning,
): Promise<Loaded> {
  if (specifiers.length === 0) {
    return { broker: globalBroker(["this program"]), urls: [], brokerExport: undefined };
  }
  const [[first, brokerExport], ...others] = specifiers.map(splitExport) as [
    [string, string | undefined],
    ...[string, string | undefined][],
  ];
  const urls = [toUrl(first)];
  const module = await load(first, urls[0]!, warn);
  for (const [other] of others) {
    const url = toUrl(other);
    urls.push(url);
    await load(other, url, warn);
  }
  const broker = brokerExport === undefined
    ? globalBroker(specifiers)
    : await exportedBroker(first, module, brokerExport, warn);
  return { broker, urls, brokerExport };
}

/**
 * Imports a function by its module and name.
 *
 * @param specifier `module:function`.
 * @param warn Called when the module has not been imported after a while.
 * @returns The function.
 * @throws {UsageError} If the module cannot be imported, or does not export the function.
 */
export async function loadFunction(
  specifier: string,
  warn: Warn,
): Promise<(signal: AbortSignal) => unknown> {
  const [path, name] = splitExport(specifier);
  if (name === undefined) {
    throw new UsageError(`Cannot run ${specifier}: it must be of the form module:function`);
  }
  const value = exported(await load(path, toUrl(path), warn), name);
  if (typeof value === "function") return value as (signal: AbortSignal) => unknown;
  throw new UsageError(`Cannot run ${name} of ${path}: ${describeExport(value, "not a function")}`);
}

/** Splits `path:export`. The path may be a URL with other colons. */
function splitExport(specifier: string): [string, string | undefined] {
  const match = /^(.*[^/:]):([A-Za-z_$][\w$.]*)$/.exec(specifier);
  if (match === null) return [specifier, undefined];
  const [, path, name] = match as unknown as [string, string, string];
  // `npm:actors` and `jsr:@dq/actors` are packages.
  return /^(?:npm|jsr|node|bun)$/.test(path) ? [specifier, undefined] : [path, name];
}

/** @throws {UsageError} If there is no such file or package. */
function toUrl(specifier: string): string {
  if (/^[a-z][a-z+.-]+:/i.test(specifier)) return specifier;
  const path = resolve(specifier);
  if (existsSync(path)) return pathToFileURL(path).href;
  const looksLikeFile = /^\.{0,2}\/|\.[cm]?[jt]sx?$/.test(specifier);
  const found = looksLikeFile ? undefined : resolvePackage(specifier, resolve());
  if (found !== undefined) return found;
  throw notFound(specifier, looksLikeFile ? "file" : "file or package");
}

function notFound(specifier: string, what: string, cause?: unknown): UsageError {
  const similar = similarFile(specifier);
  const command = similarName(specifier, COMMAND_NAMES);
  const hint = similar !== undefined
    ? `; did you mean ${similar}?`
    : command !== undefined
    ? `; did you mean the command ${command}?`
    : "";
  const advice = isBundled()
    ? "; this program is bundled: import its actors, and leave modules out"
    : hint;
  return new UsageError(`Cannot import ${specifier}: there is no such ${what}${advice}`, { cause });
}

async function load(
  specifier: string,
  url: string,
  warn: Warn,
): Promise<Record<string, unknown>> {
  // The import would never resolve: this module is still being evaluated until `runWorker` returns.
  if (url === pathToFileURL(process.argv[1] ?? "").href) {
    throw new UsageError(
      `Cannot import ${specifier}: it is this program; leave it out if it declares actors, or put them into a ` +
        "module of their own",
    );
  }
  const end = remindUntilEnded((seconds) =>
    warn(
      `Still importing ${specifier} after ${seconds} s: its top-level await, or that of a module ` +
        "it imports, has not ended",
    )
  );
  try {
    return await import(url);
  } catch (error) {
    // On Deno the package is looked up only by the import itself.
    const isUnknown = errorMessage(error).includes(`"${url}" not a dependency`);
    throw isUnknown
      ? notFound(specifier, "file or package", error)
      : toImportError(specifier, error);
  } finally {
    end();
  }
}

async function exportedBroker(
  path: string,
  module: Record<string, unknown>,
  name: string,
  warn: Warn,
): Promise<Broker> {
  const value = exported(module, name);
  if (value instanceof Broker) return value;
  if (typeof value !== "function" || "fn" in value) { // an actor is a function, too
    throw new UsageError(`Cannot use ${name} of ${path}: ${describeExport(value, "not a broker")}`);
  }
  const end = remindUntilEnded((seconds) =>
    warn(`Still calling ${name} of ${path} after ${seconds} s: its promise has not settled`)
  );
  try {
    const broker = await value();
    return broker instanceof Broker ? broker : globalBroker([path]);
  } catch (error) {
    throw toImportError(`${path}:${name}`, error);
  } finally {
    end();
  }
}

function exported(module: Record<string, unknown>, name: string): unknown {
  return name.split(".").reduce<unknown>(
    (value, part) => (value as Record<string, unknown> | null | undefined)?.[part],
    module,
  );
}

function describeExport(value: unknown, otherwise: string): string {
  return `it is ${value === undefined ? "not exported" : otherwise}`;
}

function globalBroker(specifiers: readonly string[]): Broker {
  if (!hasBroker()) {
    const declare = specifiers.length === 1 ? "declares" : "declare";
    throw new UsageError(
      `Cannot start a worker: ${
        specifiers.join(" and ")
      } ${declare} no actor; an actor is declared ` +
        "with actor() of the same copy of @dq/dramatiq as this program",
    );
  }
  try {
    return getBroker();
  } catch (error) {
    throw new UsageError(errorMessage(error), { cause: error });
  }
}
