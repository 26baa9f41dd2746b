/**
 * What a process of the `ProcessExecutor` runs. Its first message has the settings.
 *
 * @module
 */
import { Worker as Thread } from "node:worker_threads";
import { serveParentProcess } from "../../core/runtime.ts";
import { entryOfThread } from "./entry.ts";
import { type RealmSettings, sealed, type ToRealm } from "./realm_protocol.ts";
import { RealmServer } from "./realm_server.ts";

const parent = serveParentProcess();
new Thread(entryOfThread("orphan_watch")).unref();
let server: RealmServer | undefined;
parent.onMessage((message) => {
  if (server !== undefined) return server.receive(message as ToRealm);
  const { settings, key } = message as { settings: RealmSettings; key: string };
  server = new RealmServer(sealed(parent.post, key), settings);
  server.boot();
});
