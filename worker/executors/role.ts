import { isMainThread, workerData } from "node:worker_threads";
import type { Broker } from "../../core/broker.ts";
import { readEnvironment, thisProcess } from "../../platform/runtime.ts";
import { entries } from "./entry.ts";
import { setServedBroker } from "./realm_modules.ts";

/** The variable that tells a process which starts this program that it is one of an executor. */
export const REALM_VARIABLE = "DRAMATIQ_REALM";

let isTaken = false;
let firstBroker: Broker | undefined;

/**
 * Runs actors for the worker that started this thread or process, if an executor did: a program
 * that declares its actors itself runs anew in each of them, and goes no further than here.
 *
 * @param broker The broker of the actors. @default The one of `getBroker()`.
 * @returns A promise that never resolves; `undefined` in a program that works for itself.
 */
export function serveIfRealm(broker?: Broker): Promise<never> | undefined {
  const role = takeRole();
  firstBroker ??= broker;
  if (role === undefined) return undefined;
  setServedBroker(broker);
  return serve(role);
}

async function serve(role: keyof typeof entries): Promise<never> {
  await entries[role]();
  return await new Promise(() => {});
}

/**
 * True if a broker is that of the first worker of this program: realms that run the program serve
 * that one, since they go no further.
 *
 * @param broker The broker of a worker.
 */
export function isOfFirstWorker(broker: Broker): boolean {
  return broker === firstBroker;
}

function takeRole(): keyof typeof entries | undefined {
  if (isTaken) return undefined;
  isTaken = true;
  if (!isMainThread) {
    return (workerData as { isProgram?: boolean } | null)?.isProgram === true
      ? "thread"
      : undefined;
  }
  if (readEnvironment(REALM_VARIABLE) === undefined) return undefined;
  delete thisProcess().env[REALM_VARIABLE]; // what this process starts is none
  return "process";
}
