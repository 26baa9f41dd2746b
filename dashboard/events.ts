import { navigation } from "./html/layout.ts";
import { status } from "./html/status.ts";
import { onPageAt } from "./address.ts";
import type { Context, Place } from "./context.ts";
import { renderLive } from "./pages/live.ts";
import type { Reading } from "./reader.ts";
import { toText } from "./respond.ts";
import { serverTime } from "./server_time.ts";

/** Maximum of open streams. */
export const MAX_STREAMS = 20;
/**
 * Milliseconds between keep-alive comments: Bun.serve closes an idle connection after ten seconds.
 */
const KEEP_ALIVE = 5_000;
/**
 * Milliseconds after which a stream ends, so that the browser reconnects and access is checked
 * again.
 */
const MAX_AGE = 300_000;

/**
 * Streams the live parts of a page whenever the figures change.
 *
 * @param context The request.
 * @param ended Called once, when the stream has ended.
 */
export function eventStream(context: Context, ended: () => void): Response {
  let end = (): void => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      end = openStream(context, controller, ended);
    },
    cancel: () => end(),
  });
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    },
  });
}

/** @returns A function that ends the stream. */
function openStream(
  context: Context,
  controller: ReadableStreamDefaultController<Uint8Array>,
  ended: () => void,
): () => void {
  const { board, signal } = context;
  const encoder = new TextEncoder();
  let end = (): void => {};
  const send = (text: string) => {
    try {
      controller.enqueue(encoder.encode(text));
    } catch {
      end(); // the client is gone
    }
  };
  send("retry: 2000\n\n");
  const update = updater(context, send);
  const listen = (reading: Reading) => void update(reading).catch(() => end());
  const stop = board.reader.listen(listen);
  void board.reader.read().then(listen); // the next periodic read may be seconds away
  const beat = setInterval(() => send(":\n\n"), KEEP_ALIVE);
  const timer = setTimeout(() => {
    send("event: bye\ndata:\n\n");
    end();
  }, MAX_AGE);
  const close = () => end(); // when the dashboard is closed
  signal.addEventListener("abort", close);
  end = () => {
    end = () => {};
    signal.removeEventListener("abort", close);
    stop();
    clearInterval(beat);
    clearTimeout(timer);
    try {
      controller.close();
    } catch {
      // closed already
    }
    ended();
  };
  return () => end();
}

/** Makes a function that sends the live parts if they have changed. */
function updater(
  context: Context,
  send: (text: string) => void,
): (reading: Reading) => Promise<void> {
  let sent = "";
  let isBusy = false;
  return async (reading) => {
    if (isBusy) return; // skips readings while rendering
    isBusy = true;
    const data = await partsOf(context, reading).finally(() => isBusy = false);
    if (data !== sent) send(`event: update\ndata: ${data}\n\n`);
    sent = data;
  };
}

/** The live parts as one line of JSON. */
async function partsOf(context: Context, reading: Reading): Promise<string> {
  const { url, options } = context;
  const values = Object.fromEntries(url.searchParams);
  const { view = "", place, depth } = values;
  const address = onPageAt(context.address, Number(depth), options.basePath);
  const now: Context = { ...context, address, reading, now: serverTime(reading) };
  const [nav, words, live] = await Promise.all([
    toText(navigation(now, place as Place)),
    toText(status(now, place as Place)),
    view === "" ? undefined : toText(renderLive(now, { name: view, values })),
  ]);
  return JSON.stringify({ nav, status: words, live, stale: reading.outage !== undefined });
}
