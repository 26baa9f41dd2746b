import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseYaml } from "../support/yaml.ts";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Folder of the files for Prometheus and Grafana. */
export const OPERATIONS: string = join(ROOT, "docs", "operations");

/** A rule of Prometheus. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Reads a page of the docs, or of the repository. */
export async function readPage(path: string): Promise<string> {
  return await readFile(join(ROOT, path), "utf8");
}

/** The rules of `alerts.yaml`. */
export async function readRules(): Promise<readonly AlertRule[]> {
  const { groups } = parseYaml(await readPage("docs/operations/alerts.yaml")) as unknown as {
    readonly groups: readonly { readonly rules: readonly AlertRule[] }[];
  };
  return groups.flatMap(({ rules }) => rules);
}

/** Query of a part of a dashboard. */
export interface DataSourceRef {
  readonly type: string;
  readonly uid: string;
}

/** A panel of a dashboard. */
export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: DataSourceRef;
  readonly gridPos: Readonly<Record<"x" | "y" | "w" | "h", number>>;
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly datasource: DataSourceRef;
  }[];
}

/** A variable of a dashboard. */
export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly datasource?: DataSourceRef;
  readonly definition?: string;
  readonly query: string | { readonly query: string };
}

/** A dashboard of Grafana. */
export interface GrafanaDashboard {
  readonly id: null;
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly Variable[] };
  readonly panels: readonly Panel[];
}

/** Reads `dashboard.json`. */
export async function readDashboard(): Promise<GrafanaDashboard> {
  return JSON.parse(await readPage("docs/operations/dashboard.json"));
}

/** The expressions of all panels. */
export function expressionsOf({ panels }: GrafanaDashboard): string[] {
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}
