import process from "node:process";

/** The part of `Deno` that is used here; other runtimes have none. */
interface DenoEnvironment {
  env: { get(name: string): string | undefined };
}

/**
 * Sets environment variables for this file while something runs. Deno runs the files of a
 * suite side by side in one process, and they must not see each other's variables: there only
 * what this file reads is changed, not the process.
 *
 * @param variables Their names and texts.
 * @param run What runs; when it is asynchronous, until it has settled.
 * @returns What it returns.
 */
export function withEnvironment<T>(variables: Readonly<Record<string, string>>, run: () => T): T {
  const restore = set(variables);
  let isUnderWay = false;
  try {
    const result = run();
    if (!(result instanceof Promise)) return result;
    isUnderWay = true;
    return result.finally(restore) as T;
  } finally {
    if (!isUnderWay) restore();
  }
}

/** @returns What puts everything back as it was. */
function set(variables: Readonly<Record<string, string>>): () => void {
  const { Deno } = globalThis as { Deno?: DenoEnvironment };
  if (Deno !== undefined) {
    const { get } = Deno.env;
    Deno.env.get = (name) => variables[name] ?? get.call(Deno.env, name);
    return () => Deno.env.get = get;
  }
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}
