import { runtime } from "../../platform/runtime.ts";
import { HttpServer } from "../../cli/dashboard/http_server.ts";
import { type Dashboard, dashboard, type DashboardOptions } from "@dq/dramatiq/dashboard";
import { Scene, type SceneOptions } from "./scene.ts";

/** A server of this runtime, with the dashboards of some scenes. */
export interface SceneServer extends AsyncDisposable {
  readonly url: string;
}

type Handler = (request: Request) => Promise<Response>;

/** The part of Bun that is used here. */
interface BunServer {
  readonly port: number;
  stop(isNow: boolean): Promise<void>;
}

/** Serves a handler as programs on this runtime do. */
async function serve(handler: Handler): Promise<{ port: number; stop(): Promise<void> }> {
  const globals = globalThis as unknown as {
    Bun?: { serve(options: object): BunServer };
    Deno?: {
      serve(
        options: object,
        handler: Handler,
      ): { addr: { port: number }; shutdown(): Promise<void> };
    };
  };
  if (runtime === "bun") {
    const server = globals.Bun!.serve({ hostname: "127.0.0.1", port: 0, fetch: handler });
    return { port: server.port, stop: () => server.stop(true) };
  }
  if (runtime === "deno") {
    const aborter = new AbortController();
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {}, signal: aborter.signal };
    const server = globals.Deno!.serve(options, handler) as unknown as {
      addr: { port: number };
      finished: Promise<void>;
    };
    return {
      port: server.addr.port,
      stop: async () => {
        aborter.abort();
        await server.finished;
      },
    };
  }
  const server = await HttpServer.listen("127.0.0.1", 0, handler);
  return { port: server.port, stop: () => server.close() };
}

const SCENES: Readonly<Record<string, SceneOptions & { options?: Partial<DashboardOptions> }>> = {
  plain: {},
  hostile: { isHostile: true },
  empty: { isEmpty: true },
  readonly: { options: { readOnly: true } },
  based: { options: { basePath: "/based" } },
};

/**
 * Starts a server with a dashboard below the name of each scene. All but `based` see their requests
 * without that name, as behind a proxy that strips a prefix. A POST to `/-/NAME/down`, `up` or
 * `more` changes a scene.
 */
export async function serveScenes(): Promise<SceneServer> {
  const scenes = new Map<string, { scene: Scene; handler: Dashboard }>();
  for (const [name, { options, ...rest }] of Object.entries(SCENES)) {
    const scene = new Scene(rest);
    await scene.begin();
    const access = () => ({ name: "ada", can: "operate" as const });
    scenes.set(name, { scene, handler: dashboard({ broker: scene, access, ...options }) });
  }
  const { port, stop } = await serve(async (request) => {
    const [, name = "", rest = "/"] = /^\/([^/]+)(\/.*)?$/.exec(new URL(request.url).pathname) ??
      [];
    if (name === "-") return control(rest, scenes);
    const found = scenes.get(name);
    if (found === undefined) return new Response(null, { status: 404 });
    return await found.handler(name === "based" ? request : stripped(request, rest));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const { handler, scene } of scenes.values()) {
        await handler.close();
        await scene.close();
      }
      await stop();
    },
  };
}

function control(path: string, scenes: ReadonlyMap<string, { scene: Scene }>): Response {
  const [, name = "", verb] = path.split("/");
  const { scene } = scenes.get(name)!;
  if (verb === "more") scene.waiting++;
  else scene.isDown = verb === "down";
  return new Response("ok");
}

/** The request as sent by a proxy that strips a prefix. */
function stripped(request: Request, path: string): Request {
  const url = new URL(request.url);
  url.pathname = path;
  const { method, headers, body } = request;
  const init: RequestInit & { duplex?: "half" } = { method, headers };
  if (body !== null) Object.assign(init, { body, duplex: "half" });
  const made = new Request(url, init);
  if (!made.headers.has("host")) made.headers.set("host", url.host);
  return made;
}
