/**
 * Entry of a thread of the `ThreadExecutor`.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { type RealmSettings, sealed, SlotBoard, type ToRealm } from "./realm_protocol.ts";
import { RealmServer } from "./realm_server.ts";

const { settings, cells, key } = workerData as {
  settings: RealmSettings;
  cells: Int32Array;
  key: string;
};
const server = new RealmServer(
  sealed((message) => parentPort!.postMessage(message), key),
  settings,
  new SlotBoard(cells),
);
parentPort!.on("message", (message: ToRealm) => server.receive(message));
void server.boot();
