/**
 * Entry of a process of the `ProcessExecutor`. Its first message has the settings.
 *
 * @module
 */
import { dieWithParent, serveParentProcess } from "../../platform/process.ts";
import { type RealmSettings, sealed, type ToRealm } from "./realm_protocol.ts";
import { RealmServer } from "./realm_server.ts";

const parent = serveParentProcess();
dieWithParent();
let server: RealmServer | undefined;
parent.onMessage((message) => {
  if (server !== undefined) return server.receive(message as ToRealm);
  const { settings, key } = message as { settings: RealmSettings; key: string };
  server = new RealmServer(sealed(parent.post, key), settings);
  void server.boot();
});
