/**
 * Charts as SVG, drawn on the server.
 *
 * @module
 */
import { html } from "hono/html";
import type { Html } from "./text.ts";

/** Size of the coordinate system. The style sheet sets the size on the page. */
const WIDTH = 240;
const HEIGHT = 40;

/** A series of a chart. */
export interface Series {
  /** CSS class: `done` or `failed`. */
  readonly name: string;
  /** A value for each minute, the oldest first. */
  readonly values: readonly number[];
}

/**
 * Draws a chart.
 *
 * @param label Description for screen readers.
 * @param series The first is drawn as an area, the others as lines.
 * @param kind `spark` for a cell of a table, `wide` for a separate chart.
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
