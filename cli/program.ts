import { currentBroker } from "../core/global_broker.ts";

/** The part of a worker program in the choice of modules. */
export interface Program {
  /** Modules that it names in its call of `runWorker`. */
  readonly modules: readonly string[];
  /** True if it has declared actors by itself, and needs to name no module. */
  readonly declaresActors: boolean;
}

/** The program that is only a command line. */
export const COMMAND_LINE: Program = { modules: [], declaresActors: false };

/**
 * @param modules Modules that this program names.
 * @returns What it has declared besides, by now.
 */
export function thisProgram(modules: readonly string[] = []): Program {
  return { modules, declaresActors: (currentBroker()?.actors.size ?? 0) > 0 };
}
