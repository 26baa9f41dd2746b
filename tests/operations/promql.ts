import { parser } from "@prometheus-io/lezer-promql";

/**
 * Parses an expression of Prometheus.
 *
 * @param expression The expression, in which Grafana may have variables.
 * @returns The metrics that it names.
 * @throws {SyntaxError} If it is none.
 */
export function metricsIn(expression: string): string[] {
  const text = withoutVariables(expression);
  const names: string[] = [];
  parser.parse(text).iterate({
    enter({ type, from, node }) {
      if (type.isError) throw new SyntaxError(`Cannot parse ${text} at ${text.slice(from)}`);
      if (type.name !== "VectorSelector") return;
      const name = node.getChild("Identifier");
      if (name !== null) names.push(text.slice(name.from, name.to));
    },
  });
  if (names.length === 0) throw new SyntaxError(`Cannot find a metric in ${text}`);
  return names;
}

/** Puts values in the place of Grafana's variables. */
export function withoutVariables(expression: string): string {
  return expression.replaceAll("$__rate_interval", "5m").replaceAll(/\$\w+/g, ".*");
}
