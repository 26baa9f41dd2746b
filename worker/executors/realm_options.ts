import type { ErrorClass } from "../../core/actor_options.ts";

/** Options that thread and process executor share. */
export interface RealmOptions {
  /**
   * The modules that declare the actors, as URLs or absolute paths. Each realm imports
   * them, in this order; the realm of the worker has imported them, too.
   *
   * `"main"` for a program that declares its actors itself, bundled for example: each realm
   * runs the program anew, up to the first `Worker.start()`. What stands before that runs in
   * each of them, too: a server listens several times, a message is sent several times.
   */
  modules: readonly string[] | "main";
  /**
   * The export of the first module that holds the broker, or a function that makes
   * one; what it holds in turn may follow after a dot.
   *
   * @default {undefined} The broker of `getBroker()`.
   */
  brokerExport?: string;
  /** Number of messages each realm runs at once. @default {8} */
  concurrency?: number;
  /**
   * Error classes that `retryWhen` tells by `instanceof`. Those of the library, those of
   * the language and those that an actor `throws` are known without.
   *
   * @default {[]}
   */
  errorClasses?: readonly ErrorClass[];
}
