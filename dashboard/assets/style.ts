/** The style sheet of all pages. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --back: light-dark(#f6f7f9, #111418);
  --panel: light-dark(#ffffff, #191d23);
  --raised: light-dark(#eef0f4, #232931);
  --line: light-dark(#dde1e8, #2e353f);
  --ink: light-dark(#191c21, #e8ebf0);
  --soft: light-dark(#545c69, #a3acba);
  --accent: light-dark(#1f53c5, #92b4ff);
  --on-accent: light-dark(#ffffff, #0d1526);
  --bad: light-dark(#b0241b, #ff9388);
  --bad-back: light-dark(#fdeeec, #38191a);
  --warn: light-dark(#7a4d00, #f1c15d);
  --warn-back: light-dark(#fdf5e2, #322812);
  --good: light-dark(#15693a, #71d69a);
  --good-back: light-dark(#e6f5ec, #14301f);
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
[data-theme="light"] { color-scheme: light; }
[data-theme="dark"] { color-scheme: dark; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--back); color: var(--ink);
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
a { color: var(--accent); text-underline-offset: 2px; }
a:not(:hover) { text-decoration-color: color-mix(in srgb, currentColor 40%, transparent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
h1 { font-size: 20px; line-height: 1.3; margin: 0 0 14px; font-weight: 650; overflow-wrap: anywhere; }
h2 { font-size: 15px; margin: 26px 0 8px; font-weight: 650; }
p { margin: 8px 0; max-width: 90ch; }
bdi { unicode-bidi: isolate; overflow-wrap: anywhere; }
code, pre, .id { font-family: var(--mono); font-size: 12.5px; }
.char { background: var(--warn-back); color: var(--warn); border-radius: 3px; padding: 0 3px; font-size: .85em; }
.soft { color: var(--soft); }
.bad { color: var(--bad); font-weight: 600; }
.warn { color: var(--warn); }
.good { color: var(--good); }
.skip { position: absolute; left: -999px; top: 4px; background: var(--panel); padding: 8px 12px; z-index: 3; }
.skip:focus { left: 4px; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

header { background: var(--panel); border-bottom: 1px solid var(--line); }
.bar { display: flex; align-items: center; gap: 6px 18px; flex-wrap: wrap; max-width: 1280px; margin: 0 auto; padding: 8px 20px; }
.brand { display: flex; align-items: center; gap: 8px; font-weight: 700; font-size: 15px; color: var(--ink); text-decoration: none; min-height: 32px; }
.brand svg { width: 20px; height: 20px; }
nav ul { display: flex; flex-wrap: wrap; gap: 2px; margin: 0; padding: 0; list-style: none; }
nav a, .tabs a { display: block; padding: 6px 10px; border-radius: 6px; color: var(--soft); text-decoration: none; white-space: nowrap; min-height: 32px; }
nav a:hover, .tabs a:hover { background: var(--raised); color: var(--ink); }
nav [aria-current], .tabs [aria-current] { background: var(--raised); color: var(--ink); font-weight: 600; }
nav .n, .tabs .n { font-weight: 400; color: var(--soft); }
nav .n.bad, .tabs .n.bad { color: var(--bad); font-weight: 600; }
.find { margin-left: auto; }
.find input { width: 190px; }
.who { margin: 0; color: var(--soft); font-size: 13px; display: flex; gap: 6px; flex-wrap: wrap; align-items: center; }
main { max-width: 1280px; margin: 0 auto; padding: 18px 20px 28px; }
main:focus { outline: none; }
footer { max-width: 1280px; margin: 0 auto; padding: 12px 20px 28px; color: var(--soft); font-size: 13px; display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: center; border-top: 1px solid var(--line); }
footer form { display: flex; gap: 6px; align-items: center; flex-wrap: wrap; }

.note { border: 1px solid var(--line); border-left: 4px solid var(--accent); background: var(--panel); border-radius: 6px; padding: 8px 12px; margin: 0 0 12px; max-width: none; }
.note.bad { border-left-color: var(--bad); background: var(--bad-back); color: var(--bad); }
.note.warn { border-left-color: var(--warn); background: var(--warn-back); }
.note.good { border-left-color: var(--good); background: var(--good-back); color: var(--good); }
.note code { background: color-mix(in srgb, currentColor 9%, transparent); padding: 1px 5px; border-radius: 4px; color: var(--ink); }

.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 10px; margin: 0 0 18px; }
.figure { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px 11px; min-width: 0; }
.figure dt { color: var(--soft); font-size: 12.5px; }
.figure dd { margin: 2px 0 0; font-size: 24px; line-height: 1.2; font-weight: 620; letter-spacing: -.01em; overflow-wrap: anywhere; }
.figure dd small { font-size: 13px; font-weight: 400; color: var(--soft); letter-spacing: 0; }
.figure .of { display: block; margin-top: 2px; }
.figure.late { border-color: color-mix(in srgb, var(--bad) 45%, transparent); background: var(--bad-back); }
.figure.late dd, .figure.late dt, .figure.late dd small { color: var(--bad); }

.scroll { position: relative; overflow-x: auto; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; }
th, td { padding: 7px 12px; text-align: left; vertical-align: middle; white-space: nowrap; }
th { font-weight: 500; color: var(--soft); font-size: 12.5px; }
thead th { border-bottom: 1px solid var(--line); }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tbody th { font-size: 14px; font-weight: 600; color: var(--ink); }
tbody tr:hover { background: color-mix(in srgb, var(--raised) 55%, transparent); }
tr.late { background: color-mix(in srgb, var(--bad-back) 70%, transparent); }
tr[aria-selected="true"] { background: var(--raised); box-shadow: inset 3px 0 var(--accent); }
td.num, th.num { text-align: right; }
td.wide { white-space: normal; min-width: 210px; }
.id { font-weight: 500; }
h1 .id { font-size: 16px; }
td.act { text-align: right; }
.empty { padding: 26px 16px; text-align: center; color: var(--soft); }
.empty p { margin: 6px auto; }

.tag { display: inline-block; border-radius: 10px; padding: 1px 9px; font-size: 12.5px; background: var(--raised); color: var(--ink); }
.tag.good { background: var(--good-back); color: var(--good); }
.tag.warn { background: var(--warn-back); color: var(--warn); white-space: normal; }
.tag.bad { background: var(--bad-back); color: var(--bad); }

button, .button, select, input {
  font: inherit; color: var(--ink); background: var(--panel); border: 1px solid color-mix(in srgb, var(--soft) 55%, var(--line));
  border-radius: 6px; min-height: 32px; padding: 4px 10px;
}
button, .button, summary { cursor: pointer; }
.button { display: inline-block; text-decoration: none; }
button:hover, .button:hover { background: var(--raised); }
button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
button.danger { color: var(--bad); border-color: color-mix(in srgb, var(--bad) 60%, transparent); }
button:disabled { opacity: .55; cursor: default; }
input[type="checkbox"] { min-height: 0; width: 18px; height: 18px; margin: 3px; accent-color: var(--accent); vertical-align: middle; }
label { color: var(--soft); }
form.inline { display: inline; }
.row { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 10px 0; }
.row.end { justify-content: space-between; margin: 0 0 12px; }
.row.end h2 { margin: 0; }
section.panel { margin-bottom: 12px; }
.zero { color: var(--soft); text-decoration: none; }
.filter label { display: flex; gap: 6px; align-items: center; }
.menu { display: inline-block; position: relative; text-align: left; }
.menu > summary { list-style: none; border: 1px solid color-mix(in srgb, var(--soft) 55%, var(--line)); border-radius: 6px; min-height: 30px; padding: 3px 10px; background: var(--panel); }
.menu > summary::-webkit-details-marker { display: none; }
.menu > summary:hover { background: var(--raised); }
.menu.danger > summary { color: var(--bad); }
.menu[open] > form, .menu[open] > div { margin-top: 6px; padding: 12px; border: 1px solid var(--line); border-radius: 8px; background: var(--panel); display: grid; gap: 8px; min-width: 230px; white-space: normal; }
.menu input { width: 100%; }

.tabs { display: flex; flex-wrap: wrap; gap: 2px; margin: 0; padding: 0; list-style: none; }
.groups td:first-child { font-weight: 600; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0 0 14px; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
pre { position: relative; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; overflow: auto; max-height: 60vh; margin: 0; line-height: 1.5; tab-size: 2; }
.chart { display: block; overflow: visible; }
.chart.spark { width: 120px; height: 24px; }
.chart.wide { width: 100%; height: 72px; }
.chart polygon { fill: color-mix(in srgb, var(--accent) 16%, transparent); stroke: none; }
.chart polyline { fill: none; stroke: var(--accent); stroke-width: 1.5; }
.chart polyline.failed { stroke: var(--bad); }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; }
.legend { display: flex; gap: 6px 18px; flex-wrap: wrap; font-size: 12.5px; color: var(--soft); margin: 6px 0 0; max-width: none; }
.legend b { font-weight: 600; }
.legend .k { display: inline-block; width: 14px; border-top: 3px solid var(--accent); vertical-align: middle; margin-right: 6px; }
.legend .k.failed { border-color: var(--bad); }
progress { width: 100%; height: 12px; accent-color: var(--accent); }
.stale #live { opacity: .62; }
dialog { border: 1px solid var(--line); border-radius: 10px; background: var(--panel); color: var(--ink); max-width: 460px; padding: 18px 22px; }
dialog h2 { margin-top: 0; }
dialog::backdrop { background: rgb(0 0 0 / .4); }
kbd { font: 12px var(--mono); border: 1px solid var(--line); border-bottom-width: 2px; border-radius: 4px; padding: 1px 6px; background: var(--raised); }
[hidden] { display: none !important; }

@media (max-width: 640px) {
  .bar { padding: 8px 14px; gap: 4px 12px; }
  nav { order: 3; flex-basis: 100%; margin: 0 -14px; padding: 0 10px; overflow-x: auto; }
  nav ul { flex-wrap: nowrap; }
  .find { flex: 1; margin: 0; }
  .find input { width: 100%; }
  .who { font-size: 12px; }
  main { padding: 14px 14px 24px; }
  footer { padding: 12px 14px 24px; }
  .figures { grid-template-columns: 1fr 1fr; gap: 8px; }
  .figure { padding: 8px 10px; }
  .figure dd { font-size: 20px; }
  th, td { padding: 7px 10px; }
  dl.facts { grid-template-columns: 1fr; gap: 0; }
  dl.facts dd { margin-bottom: 8px; }
  .filter label { flex-basis: 100%; justify-content: space-between; }
  .filter input, .filter select { flex: 1; max-width: 240px; }
}
@media (prefers-reduced-motion: no-preference) { .menu > summary, button, nav a { transition: background-color .12s; } }
`;
