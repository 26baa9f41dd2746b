/**
 * The one file that knows on which runtime it is. Everything else uses what
 * Deno, Bun and Node have in common.
 *
 * @module
 */

/** The parts of `Deno` that are used here; its types do not exist elsewhere. */
interface DenoNamespace {
  env: { get(name: string): string | undefined };
  permissions: { querySync(query: { name: "env"; variable: string }): { state: string } };
}

interface NodeProcess {
  pid: number;
  env: Record<string, string | undefined>;
}

const globals = globalThis as unknown as {
  Deno?: DenoNamespace;
  Bun?: unknown;
  process?: NodeProcess;
  setImmediate?: (callback: () => void) => unknown;
};

/** The runtime that this code runs on. */
export const runtime: "deno" | "bun" | "node" = globals.Deno !== undefined
  ? "deno"
  : globals.Bun !== undefined
  ? "bun"
  : "node";

/**
 * Reads an environment variable, or its upper-case spelling. On Deno, one that
 * the process has no permission to read counts as unset: a library must not
 * make its user's program prompt.
 *
 * @param name The variable in lower case.
 * @returns Its text, or `undefined` when unset or empty.
 */
export function readEnvironment(name: string): string | undefined {
  for (const spelling of [name, name.toUpperCase()]) {
    const value = globals.Deno === undefined
      ? globals.process?.env[spelling]
      : readOnDeno(globals.Deno, spelling);
    if (value !== undefined && value !== "") return value;
  }
  return undefined;
}

function readOnDeno(deno: DenoNamespace, variable: string): string | undefined {
  const { state } = deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? deno.env.get(variable) : undefined;
}

/**
 * Reads an environment variable that holds a whole number.
 *
 * @param name The variable in lower case; its upper-case spelling counts too.
 * @param fallback What it means when it is unset.
 * @returns The number.
 * @throws {RangeError} If it is set to anything but a whole number of 0 or more.
 */
export function readEnvironmentNumber(name: string, fallback: number): number {
  const text = readEnvironment(name);
  if (text === undefined) return fallback;
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0 || text.trim() === "") {
    throw new RangeError(
      `Cannot read environment variable ${name}: it must be a whole number of 0 or more, not "${text}"`,
    );
  }
  return number;
}

/** @returns The number that the system knows this process by. */
export function processId(): number {
  return globals.process!.pid; // Deno has one, too
}

/**
 * Lets timers, sockets and signals have their turn. Promise callbacks alone
 * never do: a worker with an endless backlog would starve them.
 *
 * @returns A promise that resolves in a later turn of the event loop.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    // Present on all three runtimes, yet in the types of none that they share.
    if (globals.setImmediate !== undefined) globals.setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
