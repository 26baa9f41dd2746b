import type { ErrorClass } from "../../core/actor_options.ts";

/** Options that thread and process executor share. */
export interface RealmOptions {
  /**
   * The modules that declare the actors, as URLs or absolute paths. Each thread or process imports
   * them, in this order; the worker has to import them, too.
   *
   * `"main"` for a program that declares its actors itself, such as a bundle: each thread or process
   * runs the program again, up to the first `Worker.start()`. Code before that runs in each of them: a
   * server would listen several times, and a message be sent several times.
   */
  modules: readonly string[] | "main";
  /**
   * Name of the export of the first module that is the broker, or a function that makes one.
   * Properties may follow after dots: `app.broker`.
   *
   * @default {undefined} The broker of `getBroker()`.
   */
  brokerExport?: string;
  /** Number of messages that each thread or process runs at once. @default {8} */
  concurrency?: number;
  /**
   * Error classes that `retryWhen` tests with `instanceof`. Classes of the library, of the language
   * and of the option `throws` need not be listed.
   *
   * @default {[]}
   */
  errorClasses?: readonly ErrorClass[];
}
