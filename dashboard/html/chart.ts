/**
 * Charts, drawn by the server: sixty points need no library.
 *
 * @module
 */
import { html } from "hono/html";
import type { Html } from "./text.ts";

/** Size of the coordinates; the style gives the size on the page. */
const WIDTH = 240;
const HEIGHT = 40;

/** A row of a chart. */
export interface Series {
  /** Its class: `done` or `failed`. */
  readonly name: string;
  /** A value for each minute, the oldest first. */
  readonly values: readonly number[];
}

/**
 * Draws values as an area, and what is worth more attention as a line above it.
 *
 * @param label What it shows, for those who do not see it.
 * @param series The first is drawn as an area.
 * @param kind `spark` for a row of a table, `wide` for a chart of its own.
 */
export function chart(label: string, series: readonly Series[], kind: "spark" | "wide"): Html {
  const top = Math.max(1, ...series.flatMap(({ values }) => values));
  return html`
    <svg class="chart ${kind}" role="img" aria-label="${label}"
      viewBox="0 0 ${WIDTH} ${HEIGHT}"
      preserveAspectRatio="none">${series.map(({ name, values }, i) => {
        const points = pointsOf(values, top);
        if (points === "") return "";
        return i === 0
          ? html`
            <polygon class="${name}" points="0,${HEIGHT} ${points} ${WIDTH},${HEIGHT}" />
            <polyline class="${name}" points="${points}" vector-effect="non-scaling-stroke" />
          `
          : html`
            <polyline class="${name}" points="${points}" vector-effect="non-scaling-stroke" />
          `;
      })}</svg>
  `;
}

function pointsOf(values: readonly number[], top: number): string {
  const step = WIDTH / Math.max(1, values.length - 1);
  return values.map((value, i) => {
    const y = HEIGHT - 1 - (HEIGHT - 3) * (value / top);
    return `${(i * step).toFixed(1)},${y.toFixed(1)}`;
  }).join(" ");
}
