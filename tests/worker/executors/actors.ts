import { spawn } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import {
  actor,
  type Broker,
  currentMessage,
  currentSignal,
  Retry,
  SkipMessage,
  Snooze,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { nextTurn } from "../../../platform/runtime.ts";

/** An error that this realm and that of the test both know by its name. */
export class Expected extends Error {
  /** Expected code. */
  readonly code: number = 42;
}

/** An error that the test learns of with `errorClasses`, and one below it that it does not know. */
export class Fatal extends Error {}
/** Below `Fatal`. */
export class Deadly extends Fatal {
  override name = "deadly error";
}

const currentActorLogger = () => broker.getActor("log").logger;

/** Writes a line where the test reads it, whatever becomes of this realm. */
function mark(journal: string, line: string): void {
  appendFileSync(journal, `${line}\n`);
}

const never = new Promise<never>(() => {});
const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });

/** Results of `values`, by index. */
export const VALUES: readonly unknown[] = [
  undefined,
  null,
  true,
  0,
  -1.5,
  2 ** 53 - 1,
  "",
  "é\u{1F600}\ud800\u0000",
  [],
  [[1, [2]], null],
  {},
  { a: { b: [1, "x", null, true] }, "10": 1, "9": 2, "__x": "y" },
];

/** Errors of `failing`, by name. */
export const FAILURES: Readonly<Record<string, () => unknown>> = {
  plain: () => new TypeError("no such thing", { cause: new RangeError("too far") }),
  fields: () => Object.assign(new Error("refused"), { code: 402, left: [1, 2], no: () => {} }),
  expected: () => new Expected("as expected"),
  deadly: () => new Deadly("the end"),
  aggregate: () => new AggregateError([new Error("a"), "b"], "both"),
  abort: () => new DOMException("gone", "AbortError"),
  text: () => "just text",
  nothing: () => undefined,
  object: () => ({ reason: "an object" }),
  retry: () => new Retry("later", { delay: 5 }),
  skip: () => new SkipMessage("not today"),
};

/** Ways in which an actor brings its realm down, or does not stop. */
export const ENDS: Readonly<Record<string, () => unknown>> = {
  exit: () => process.exit(3),
  exitLater: () =>
    nextTurn().then(() => {
      setTimeout(() => process.exit(0), 1);
      return never;
    }),
  denoExit: () => (globalThis as unknown as { Deno: { exit(): void } }).Deno.exit(),
  throwLater: () => {
    setTimeout(() => {
      throw new Error("thrown in a timer");
    }, 1);
    return never;
  },
  rejectLater: () => {
    Promise.reject(new Error("rejected unheard"));
    return never;
  },
  kill: () => process.kill(process.pid, "SIGKILL"),
  killLater: async () => {
    await nextTurn();
    process.kill(process.pid, "SIGKILL");
    await never;
  },
  disconnect: () => {
    process.disconnect!();
    return never;
  },
  abort: () => process.abort(),
  eat: () => {
    const eaten: unknown[] = [];
    while (true) eaten.push(new Array(10_000).fill(eaten.length));
  },
  spin: () => {
    while (true);
  },
  spinLater: async () => {
    await nextTurn();
    while (true);
  },
  wait: () => never,
  ignore: () => aborted(currentSignal()).then(() => never),
};

/** Behaviour of an actor until its signal aborts, by name, and what it makes of that. */
export const INTERRUPTED: Readonly<Record<string, (url: string) => Promise<unknown>>> = {
  sleep: () => sleep(60_000, undefined, { signal: currentSignal() }),
  fetch: (url) => fetch(url, { signal: currentSignal() }),
  anySignal: () => {
    const signal = AbortSignal.any([currentSignal(), new AbortController().signal]);
    return sleep(60_000, undefined, { signal });
  },
  ownController: () => {
    const own = new AbortController();
    currentSignal().addEventListener("abort", () => own.abort());
    return sleep(60_000, undefined, { signal: own.signal });
  },
  wrapped: (url) =>
    INTERRUPTED["sleep"]!(url).catch((cause) => {
      throw new Error("download failed", { cause: new Error("no answer", { cause }) });
    }),
  aggregate: (url) => Promise.any([INTERRUPTED["sleep"]!(url), Promise.reject(new Error("other"))]),
  reason: () => aborted(currentSignal()).then(() => currentSignal().throwIfAborted()),
  unrelated: () =>
    aborted(currentSignal()).then(() => {
      throw new TypeError("a defect in the clean-up");
    }),
  retry: (url) =>
    INTERRUPTED["sleep"]!(url).catch((cause) => {
      throw new Retry("once more", { cause, delay: 1 });
    }),
  skip: (url) =>
    INTERRUPTED["sleep"]!(url).catch(() => {
      throw new SkipMessage("not this time");
    }),
};

/** Declares the actors of these tests. */
export function declareActors(broker: Broker): Broker {
  const options = { broker, maxRetries: 0 };
  const declare = (name: string, fn: (...args: never[]) => unknown, more: object = {}) =>
    actor(fn as (...args: unknown[]) => unknown, { ...options, ...more, actorName: name });

  declare("echo", (...args: unknown[]) => args);
  declare("values", (index: number) => VALUES[index]);
  declare("valuesLater", async (index: number) => await nextTurn().then(() => VALUES[index]));
  declare("unfit", () => ({ fine: 1, wrong: new Map([[1, 2]]) }));
  declare("unfitFunction", () => () => {});
  declare("failing", (name: string) => {
    throw FAILURES[name]!();
  }, { throws: Expected });
  declare("failingLater", (name: string) => Promise.reject(FAILURES[name]!()), {
    throws: [Expected],
    maxRetries: 1,
  });
  declare("failingOften", (name: string) => {
    throw FAILURES[name]!();
  });
  declare("compute", (journal: string, ms: number) => {
    mark(journal, "computing");
    const end = performance.now() + ms;
    while (performance.now() < end);
    return "computed";
  }, { timeLimit: null });
  declare("computeForEver", (journal: string) => {
    mark(journal, `${process.pid}`);
    while (true);
  });
  declare("startWorker", async () => await new Worker(new StubBroker()).start());
  declare(
    "log",
    () => currentActorLogger().warn("From {place}", { place: "a realm", fn: () => {} }),
  );
  declare("who", async () => {
    const before = currentMessage();
    await nextTurn();
    const after = currentMessage();
    return [before === after, after?.messageId, after?.options, after?.queueName, after?.args];
  });
  declare("snoozing", () => {
    const { snoozes } = currentMessage()!;
    if (snoozes < 2) throw new Snooze(1, { max: 2 });
    return snoozes;
  });
  declare("raw", () => currentMessage()!.copy().encode());
  declare("polite", async (journal: string) => {
    const signal = currentSignal();
    mark(journal, "begun");
    await aborted(signal);
    return (signal.reason as Error).name;
  }, { timeLimit: 50, notifyShutdown: true });
  declare("interrupted", (journal: string, how: string, url: string) => {
    mark(journal, how);
    return INTERRUPTED[how]!(url);
  }, { timeLimit: 50, notifyShutdown: true });
  declare("untilAborted", async (journal: string) => {
    mark(journal, "begun");
    await aborted(currentSignal());
    currentSignal().throwIfAborted();
  }, { timeLimit: 50 });
  declare("patient", async (journal: string) => {
    mark(journal, "begun");
    await aborted(currentSignal());
    return (currentSignal().reason as Error).name;
  }, { notifyShutdown: true });
  declare("computeLater", async (journal: string, end: string) => {
    mark(journal, "waits");
    while (!readFileSync(journal, "utf8").includes("begun")) await sleep(5);
    // The folder is removed soon after, and a thread that has no core may miss the file.
    while (!existsSync(end) && existsSync(journal));
  }, { timeLimit: 100 });
  declare("endless", (journal: string) => {
    mark(journal, "begun");
    return never;
  });
  declare("marked", (journal: string, id: string) => {
    mark(journal, id);
    return id;
  });
  declare("heir", (journal: string) => {
    const { pid } = spawn("sleep", ["60"], { stdio: "ignore" });
    mark(journal, `${pid}`);
    process.kill(process.pid, "SIGKILL");
  });
  declare("noted", async (journal: string, id: string) => {
    mark(journal, id);
    await nextTurn();
    return id;
  });
  declare("send", async () => void await broker.getActor("echo").send("sent from an actor"));
  declare("ending", (journal: string, id: string, how: string) => {
    mark(journal, id);
    return ENDS[how]!();
  });
  declare("gated", async (journal: string, id: string, gate: string) => {
    mark(journal, id);
    while (!existsSync(gate)) await sleep(5);
    return id;
  });
  declare("bystander", async (journal: string, id: string, ms: number) => {
    mark(journal, id);
    await new Promise((resolve) => setTimeout(resolve, ms));
    mark(journal, `${id} done`);
    return id;
  });
  return broker;
}

/** Has a broker write down what its realm sees. */
export function watchRealm(broker: Broker, journal: string): void {
  broker.addMiddleware({
    afterWorkerThreadBoot: () => mark(journal, "boot"),
    beforeWorkerThreadShutdown: () => mark(journal, "shutdown"),
    async wrapActor(message, next) {
      const result = await next();
      return message.actorName === "who" ? ["wrapped", result] : result;
    },
  });
}

/** The broker of a realm. */
export const broker: Broker = declareActors(new StubBroker());
