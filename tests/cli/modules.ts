/**
 * The modules that `tests/vectors/cli.json` names, as it describes them.
 *
 * @module
 */

/** A Redis broker with actors on goldq and goldother; `slow` waits until it is released. */
const APP = `
import { existsSync } from "node:fs";
import process from "node:process";
import { actor, currentSignal, RedisBroker, setBroker } from "@dq/dramatiq";

const { APP_REDIS, APP_NAMESPACE } = process.env;
export const broker = new RedisBroker({ url: APP_REDIS, namespace: APP_NAMESPACE });
setBroker(broker);

const folder = import.meta.dirname;
let running = 0;
const onGoldq = { queueName: "goldq" };

actor(function touch(text) { note(text); }, onGoldq);
actor(function other(text) { note(text); }, { queueName: "goldother" });
actor(function pid() { note(String(process.pid)); }, onGoldq);
actor(function says(text) { console.log(text); console.error(text + " on stderr"); }, onGoldq);
actor(async function slow(text) {
  running += 1;
  note("start " + text);
  note("running " + running);
  while (!existsSync(folder + "/release")) await new Promise((done) => setTimeout(done, 10));
  running -= 1;
  note("end " + text);
}, onGoldq);
actor(async function interruptible() {
  note("start interruptible");
  const signal = currentSignal();
  await new Promise((_, reject) => signal.onabort = () => {
    note("interrupted");
    reject(signal.reason);
  });
}, { ...onGoldq, notifyShutdown: true, maxRetries: 0 });

export async function forked(signal) {
  note("forked " + process.pid);
  await new Promise((done) => signal.onabort = done);
  note("fork ended");
}
export async function forked_returns() {
  note("forked");
  return 7;
}
`;

const STUBAPP = `
import { actor, setBroker, StubBroker } from "@dq/dramatiq";
export const broker = new StubBroker();
setBroker(broker);
actor(function idle() {});
export const number = 42;
export const ns = { broker };
export function setup() {}
export function setup_fails() { throw new RangeError("no set-up today"); }
export async function setup_import_error() { await import("./no_such_module_either.ts"); }
`;

/** The modules by their file names. */
export const MODULES: Readonly<Record<string, string>> = {
  "app.ts": APP,
  "stubapp.ts": STUBAPP,
  "extra.ts": `note("extra imported");`,
  "raises.ts": `throw new RangeError("raised on import");`,
  "exits.ts": `import process from "node:process"; process.exit(5);`,
  "connfail.ts": `import { ConnectionFailed } from "@dq/dramatiq";
throw new ConnectionFailed("Cannot connect: nobody there");`,
  "bad_syntax.ts": `const this is = ;`,
  "imports_missing.ts": `import "./is_not_there.ts";`,
};
