import { Broker } from "../../core/broker.ts";
import { DramatiqError } from "../../core/errors.ts";
import { getBroker } from "../../core/global_broker.ts";
import { builtinModule } from "../../platform/runtime.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { showValue } from "../../platform/show_value.ts";
import type { RealmSettings } from "./realm_protocol.ts";

let isRealm = false;

/** True if this is a thread or process of an executor: no place for a worker of its own. */
export function isInsideRealm(): boolean {
  return isRealm;
}

/** Says that it is. */
export function enterRealm(): void {
  isRealm = true;
}

let servedBroker: Broker | undefined;

/**
 * Says which broker has the actors of a program that imports them itself.
 *
 * @param broker The broker. @default The one of `getBroker()`.
 */
export function setServedBroker(broker: Broker | undefined): void {
  servedBroker = broker;
}

/**
 * Makes a module name that means the same in every realm.
 *
 * @param module An absolute path, a URL, or the name of a package.
 * @returns What can be imported.
 * @throws {TypeError} If it is none of these.
 */
export function toSpecifier(module: unknown): string {
  if (typeof module === "string" && builtinModule("node:path").isAbsolute(module)) {
    return builtinModule("node:url").pathToFileURL(module).href;
  }
  if (typeof module === "string" && module !== "" && !/^\.{1,2}[/\\]/.test(module)) return module;
  throw new TypeError(
    `Cannot import ${showValue(module)} in another realm: it must be a URL ` +
      `(new URL("./actors.ts", import.meta.url).href) or an absolute path`,
  );
}

/**
 * Imports the modules of the user.
 *
 * @param settings Which, and where the broker is.
 * @param step Called with what is waited for next, for the log.
 * @returns The broker that their actors are declared on.
 * @throws {DramatiqError} If one does not import, or the broker is not there.
 */
export async function importBroker(
  { modules, brokerExport }: RealmSettings,
  step: (reason: string) => void,
): Promise<Broker> {
  const namespaces: Record<string, unknown>[] = [];
  for (const module of modules) {
    step(`the top-level await of ${module}, or of a module it imports, has not ended`);
    try {
      namespaces.push(await import(module));
    } catch (error) {
      throw new DramatiqError(`Cannot import ${module}: ${errorMessage(error)}`, { cause: error });
    }
  }
  if (brokerExport === undefined) return servedBroker ?? getBroker();
  let found = brokerExport.split(".").reduce<unknown>(
    (value, name) => (value as Record<string, unknown> | null | undefined)?.[name],
    namespaces[0],
  );
  if (typeof found === "function") {
    step(`${brokerExport} of ${modules[0]} has not returned`);
    found = await found() ?? getBroker();
  }
  if (found instanceof Broker) return found;
  throw new DramatiqError(
    `Cannot use ${brokerExport} of ${modules[0]}: it is ${
      found === undefined ? "not exported" : "not a broker"
    }`,
  );
}
