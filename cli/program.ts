import { currentBroker } from "../core/global_broker.ts";

/** The program that calls `runWorker`. */
export interface Program {
  /** Modules in its call of `runWorker`. */
  readonly modules: readonly string[];
  /** True if it has declared actors itself, so that modules can be omitted. */
  readonly declaresActors: boolean;
}

/** A program without modules and actors. */
export const COMMAND_LINE: Program = { modules: [], declaresActors: false };

/**
 * Describes this program.
 *
 * @param modules Modules in its call of `runWorker`.
 * @returns The program, with the actors declared so far.
 */
export function thisProgram(modules: readonly string[] = []): Program {
  return { modules, declaresActors: (currentBroker()?.actors.size ?? 0) > 0 };
}
