import type { Context as HonoContext } from "hono";
import { Hono } from "hono/tiny";
import { cancel, changeMessage } from "./actions/messages.ts";
import { startOperation, stopOperation } from "./actions/operations.ts";
import { pauseOrResume } from "./actions/pauses.ts";
import { cancelActor, changeSelected, purge } from "./actions/queues.ts";
import type { Result } from "./actions/results.ts";
import { changeSchedule } from "./actions/schedules.ts";
import { fromSegment } from "./address.ts";
import type { Context, Page } from "./context.ts";
import { SentForm } from "./form.ts";
import type { MessageRef } from "../core/inspection.ts";
import { cancelPage } from "./pages/cancel.ts";
import { deadPage } from "./pages/dead.ts";
import { queuesPage, runningPage, workersPage } from "./pages/figures.ts";
import { findPage } from "./pages/find.ts";
import { messageDownload, messagePage } from "./pages/message.ts";
import { messagesPage } from "./pages/messages.ts";
import { newOperationPage, operationPage, operationsPage } from "./pages/operations.ts";
import { schedulesPage } from "./pages/schedules.ts";
import { choose, cookieOf } from "./preferences.ts";
import { renderBrokerPage, renderError, renderPage, renderResult } from "./respond.ts";
import { stateOfName } from "./states.ts";
import { errorMessage } from "../platform/thrown.ts";

/** Bindings of Hono that pass the context of a request to handlers. */
export interface Bindings {
  readonly Bindings: { readonly context: Context };
}
type Http = HonoContext<Bindings>;

/** Makes a page; returns `undefined` if the address does not exist. */
type PageOf = (context: Context, param: (name: string) => string) =>
  | Page
  | undefined
  | Promise<Page | undefined>;
type ActionOf = (
  context: Context,
  param: (name: string) => string,
  form: SentForm,
) => Result | undefined | Promise<Result | undefined>;

/** Decoded parameters of the route. */
function paramsOf(http: Http): (name: string) => string {
  return (name) => fromSegment(http.req.param(name) ?? "");
}

/** Handles a request for a page that is also shown while the broker is unavailable. */
function get(page: PageOf): (http: Http) => Promise<Response> {
  return (http) =>
    renderPage(http.env.context, async (context) => await page(context, paramsOf(http)));
}

/** Handles a request for a page that reads the broker. */
function getFromBroker(page: PageOf): (http: Http) => Promise<Response> {
  return (http) =>
    renderBrokerPage(http.env.context, async (context) => await page(context, paramsOf(http)));
}

function post(action: ActionOf): (http: Http) => Promise<Response> {
  return async (http) => {
    const { context } = http.env;
    const form = await SentForm.read(context.request);
    if (!(form instanceof SentForm)) return await renderError(context, form.status, form.reason);
    return await renderResult(context, async () => await action(context, paramsOf(http), form));
  };
}

function refOf(param: (name: string) => string): MessageRef | undefined {
  const state = stateOfName(param("state")) ?? stateOfName(NAMES[param("state")] ?? "");
  if (state === undefined) return undefined;
  return { queueName: param("queue"), state, key: param("key") };
}

/** Names on pages by the names of states, which addresses may contain, too. */
const NAMES: Readonly<Record<string, string>> = { ready: "waiting", unacknowledged: "running" };

/** Routes of all pages and actions, relative to the root of a broker. */
export function routes(pathOf: (request: Request) => string): Hono<Bindings> {
  const app = new Hono<Bindings>({ getPath: pathOf });
  addPages(app);
  addActions(app);
  app.notFound((http) => renderError(http.env.context, 404, "There is no such page"));
  app.onError((error, http) => renderError(http.env.context, 500, error));
  return app;
}

function addPages(app: Hono<Bindings>): void {
  app.get("/", get(queuesPage));
  app.get("/queues", get(queuesPage));
  app.get("/running", get((context) => runningPage(context)));
  app.get("/workers", get(workersPage));
  app.get("/dead", getFromBroker(deadPage));
  app.get("/schedules", getFromBroker(schedulesPage));
  app.get("/operations", get(operationsPage));
  app.get("/operations/new", getFromBroker(newOperationPage));
  app.get(
    "/operations/:id",
    get((context, param) => operationPage(context, Number(param("id")))),
  );
  app.get("/find", getFromBroker(findPage));
  app.get(
    "/queues/:queue/cancel",
    get((context, param) => cancelPage(context, param("queue"))),
  );
  app.get(
    "/queues/:queue/running",
    get((context, param) => runningPage(context, param("queue"))),
  );
  app.get(
    "/queues/:queue/:state",
    getFromBroker((context, param) => {
      const state = stateOfName(param("state"));
      return state && messagesPage(context, param("queue"), state);
    }),
  );
  app.get(
    "/messages/:queue/:state/:key",
    getFromBroker((context, param) => {
      const ref = refOf(param);
      return ref && messagePage(context, ref);
    }),
  );
  app.get("/messages/:queue/:state/:key/json", async (http) => {
    const ref = refOf(paramsOf(http));
    return ref === undefined
      ? await renderError(http.env.context, 404, "There is no such message")
      : await messageDownload(http.env.context, ref);
  });
}

function addActions(app: Hono<Bindings>): void {
  app.post("/preferences", (http) => preferences(http.env.context));
  for (const kind of ["queue", "actor", "worker"] as const) {
    for (const verb of ["pause", "quiet", "resume"]) {
      app.post(
        `/${kind}s/:name/${verb}`,
        post((context, param, form) => pauseOrResume(context, kind, param("name"), verb, form)),
      );
    }
  }
  app.post(
    "/queues/:queue/cancel",
    post((context, param, form) => cancelActor(context, param("queue"), form)),
  );
  app.post(
    "/queues/:queue/:state/:verb",
    post((context, param, form) => {
      const state = stateOfName(param("state"));
      if (state === undefined) return undefined;
      if (param("verb") === "purge") return purge(context, param("queue"), state, form);
      return param("verb") === "change"
        ? changeSelected(context, param("queue"), state, form)
        : undefined;
    }),
  );
  app.post(
    "/messages/:queue/:state/:key/:verb",
    post((context, param, form) => {
      const ref = refOf(param);
      return ref && changeMessage(context, ref, param("verb"), form);
    }),
  );
  app.post("/running/cancel", post((context, _param, form) => cancel(context, form, "running")));
  app.post("/operations", post((context, _param, form) => startOperation(context, form)));
  app.post(
    "/operations/:id/stop",
    post((context, param) => stopOperation(context, Number(param("id")))),
  );
  app.post(
    "/schedules/:name/:verb",
    post((context, param, form) => changeSchedule(context, param("name"), param("verb"), form)),
  );
  app.post("/discover", post(discover));
}

async function discover({ board: { reader } }: Context): Promise<Result> {
  try {
    const found = await reader.discover();
    const text = found === 1 ? "Found 1 more queue" : `Found ${found} more queues`;
    return { to: "", notice: { kind: "good", text } };
  } catch (error) {
    return { to: "", notice: { kind: "bad", text: errorMessage(error) } };
  }
}

/** Stores preferences in a cookie, and redirects back to the page. */
async function preferences({ request, address }: Context): Promise<Response> {
  const form = await SentForm.read(request);
  if (!(form instanceof SentForm)) return new Response(form.reason, { status: form.status });
  const chosen = choose({
    theme: form.typed("theme"),
    zone: form.typed("zone"),
    keys: form.typed("keys"),
  });
  // Only a relative path with URL characters, so that it cannot redirect to another site.
  const back = (form.hidden("back") ?? "").replace(/^[/\\]+/, "");
  const isPath = /^[\w.~%!$&'()*+,;=:@/?-]*$/.test(back);
  return new Response(null, {
    status: 303,
    headers: { "location": address.top + (isPath ? back : ""), "set-cookie": cookieOf(chosen) },
  });
}
