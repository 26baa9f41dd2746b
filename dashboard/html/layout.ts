import { html } from "hono/html";
import { segment } from "../address.ts";
import { allAssets } from "../assets/assets.ts";
import type { Context, Page, Place } from "../context.ts";
import { renderLive } from "../pages/live.ts";
import { choicesOf, type Preferences } from "../preferences.ts";
import { liveUrl } from "../pages/live_url.ts";
import { figuresOf } from "../snapshot.ts";
import { status } from "./status.ts";
import { count } from "./numbers.ts";
import { type Content, type Html, plain, text } from "./text.ts";

/**
 * A whole page.
 *
 * @param context The context.
 * @param page The page.
 */
export function layout(context: Context, page: Page): Html {
  const { address, preferences, reading } = context;
  const { style, script, idiomorph, icon } = allAssets();
  const file = (name: string) => `${address.top}static/${name}`;
  const { theme, zone, keys } = preferences;
  return html`
    <!DOCTYPE html>
    <html lang="en" data-theme="${theme}" data-zone="${zone}" data-keys="${keys}">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>${plain(page.title)} · dramatiq</title>
        <link rel="icon" href="${file(icon.name)}" type="image/svg+xml">
        <link rel="stylesheet" href="${file(style.name)}">
        <script src="${file(idiomorph.name)}" defer></script>
        <script src="${file(script.name)}" defer></script>
      </head>
      <body class="${reading.outage === undefined ? "" : "stale"}" data-root="${address
        .root}" data-events="${liveUrl(context, page.place, page.live)}">
    <a class="skip" href="#main">Skip to the content</a>
    ${header(context, page.place)}
    <main id="main" tabindex="-1">
    <p class="note warn" id="lost" role="status" hidden>The dashboard does not answer. Trying again.</p>
    <div id="status" role="status">${status(context, page.place)}</div>
    ${notice(context)}
    <h1>${page.heading ?? text(page.title)}</h1>
    <div id="live">${page.live === undefined ? "" : renderLive(context, page.live)}</div>
    ${page.body ?? ""}
    </main>
    ${footer(context)}
    ${keysDialog()}
      </body>
    </html>
  `;
}

function header(context: Context, place: Place): Html {
  const { address: { root }, viewer, options } = context;
  const rights = viewer.rights.size === 0 ? " (read only)" : "";
  return html`
    <header>
      <div class="bar">
        <a class="brand"
          href="${root}"><svg viewBox="0 0 20 20" aria-hidden="true"><rect width="20" height="20" rx="5" fill="#1f53c5"/><path d="M5 6.5h10M5 10h7M5 13.5h4" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>dramatiq</a>
        <nav id="nav" aria-label="Pages">${navigation(context, place)}</nav>
        <form class="find" role="search"
          action="${root}find"><label class="sr" for="find">Find a message by its id</label><input
    id="find" name="id" type="search" placeholder="Find by id" autocomplete="off" spellcheck="false"></form>
        <p class="who"><span>${text(viewer.name, 40)}${rights}</span>${options.readOnly
          ? html`<span class="tag">read only</span>`
          : ""}${brokers(context)}</p>
      </div>
    </header>
  `;
}

function brokers({ boards, board, address }: Context): Content {
  if (boards.length === 0) return "";
  return html`<span class="sr">Brokers:</span>${
    boards.map((name) =>
      name === board.name
        ? html`
          <strong>${text(name, 40)}</strong>
        `
        : html`
          <a href="${address.top}@${segment(name)}/">${text(name, 40)}</a>
        `
    )
  }`;
}

const PLACES: readonly [Exclude<Place, undefined>, string, string][] = [
  ["queues", "Queues", ""],
  ["running", "Running", "running"],
  ["dead", "Dead letters", "dead"],
  ["workers", "Workers", "workers"],
  ["schedules", "Schedules", "schedules"],
  ["operations", "Operations", "operations"],
];

/** The navigation, with live numbers. */
export function navigation(context: Context, place: Place): Html {
  const { address: { root }, reading: { snapshot }, board } = context;
  const figures = snapshot && figuresOf(snapshot);
  const active = board.operations.all.filter((one) => one.isActive).length;
  const number: Partial<Record<Exclude<Place, undefined>, Content>> = {
    running: figures?.running
      ? html`
        <span class="n">${count(figures.running)}</span>
      `
      : "",
    dead: figures?.dead
      ? html`
        <span class="n${figures.died ? " bad" : ""}">${count(figures.dead)}</span>
      `
      : "",
    operations: active > 0
      ? html`
        <span class="n">${active} running</span>
      `
      : "",
  };
  return html`<ul>${
    PLACES.map(([name, label, path]) =>
      html`<li><a href="${root}${path}"${
        name === place
          ? html`
            aria-current="page"
          `
          : ""
      }>${label}${number[name]}</a></li>`
    )
  }</ul>`;
}

function notice({ url, notices }: Context): Content {
  const found = notices.get(url.searchParams.get("notice"));
  if (found === undefined) return "";
  return html`<p class="note ${found.kind}" role="${found.kind === "bad" ? "alert" : "status"}">${
    text(found.text, 2_000)
  }</p>`;
}

function footer(context: Context): Html {
  const { address, url, preferences } = context;
  const back = `${address.root.slice(address.top.length)}${address.path.slice(1)}${url.search}`;
  const choice = (name: keyof Preferences, label: string) =>
    html`
      <label for="set-${name}">${label}</label> <select id="set-${name}" name="${name}"
        data-submit>${choicesOf(name).map((value) =>
          html`
            <option value="${value}" ${preferences[name] === value
              ? " selected"
              : ""}>${value === "utc"
              ? "UTC"
              : value}</option>
          `
        )}</select>
    `;
  return html`
    <footer>
      <button type="button" id="hold" aria-pressed="false" hidden>Hold</button>
      <form method="post"
        action="${address
          .top}preferences"><input type="hidden" name="back" value="${encodeURIComponent(
            back.toWellFormed(),
          )}">
    ${choice("theme", "Theme")} ${choice("zone", "Times")} ${choice("keys", "Keys")}
    <button data-plain>Set</button></form>
    </footer>
  `;
}

function keysDialog(): Html {
  const keys: readonly [string, string][] = [
    ["/", "find a message"],
    ["g q", "queues"],
    ["g r", "running"],
    ["g d", "dead letters"],
    ["g w", "workers"],
    ["g s", "schedules"],
    ["g o", "operations"],
    ["j k", "next, previous message"],
    ["Enter", "open it"],
    ["x", "select it"],
    ["e", "requeue the selected ones"],
    ["?", "this list"],
  ];
  return html`
    <dialog id="keys" aria-labelledby="keys-title">
      <h2 id="keys-title">Keys</h2>
      <dl class="facts">${keys.map(([key, what]) =>
        html`
          <dt><kbd>${key}</kbd></dt>
          <dd>${what}</dd>
        `
      )}</dl>
      <form method="dialog"><button>Close</button></form>
    </dialog>
  `;
}
