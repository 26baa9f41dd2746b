/**
 * What a thread of the `ThreadExecutor` runs.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { type RealmSettings, SlotBoard, type ToRealm } from "./realm_protocol.ts";
import { RealmServer } from "./realm_server.ts";

const { settings, cells } = workerData as { settings: RealmSettings; cells: Int32Array };
const server = new RealmServer(
  (message) => parentPort!.postMessage(message),
  settings,
  new SlotBoard(cells),
);
parentPort!.on("message", (message: ToRealm) => server.receive(message));
await server.boot();
