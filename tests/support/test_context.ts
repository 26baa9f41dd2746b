import { AsyncLocalStorage } from "node:async_hooks";

const running = new AsyncLocalStorage<symbol>();

/**
 * Runs a test so that what it starts can be told from what others in the process have left.
 *
 * @param name Its name.
 * @param body Its body.
 */
export function runAsTest(name: string, body: () => void | Promise<void>): void | Promise<void> {
  return running.run(Symbol(name), body);
}

/**
 * The test that has started what runs now, however long ago, for example in a timer; `undefined` where the
 * runtime does not know.
 */
export function startedBy(): symbol | undefined {
  return running.getStore();
}
