import type { ErrorClass } from "../../core/actor_options.ts";

/** Options that thread and process executor share. */
export interface RealmOptions {
  /**
   * The modules that declare the actors, as URLs or absolute paths. Each realm imports
   * them, in this order; the realm of the worker has imported them, too.
   */
  modules: readonly string[];
  /**
   * The export of the first module that holds the broker, or a function that makes
   * one; what it holds in turn may follow after a dot.
   *
   * @default {undefined} The broker of `getBroker()`.
   */
  brokerExport?: string;
  /** How many messages each realm runs at once. @default {8} */
  concurrency?: number;
  /**
   * Error classes that `retryWhen` tells by `instanceof`. Those of the library, those of
   * the language and those that an actor `throws` are known without.
   *
   * @default {[]}
   */
  errorClasses?: readonly ErrorClass[];
}
