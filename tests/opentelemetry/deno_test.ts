import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { assertEquals } from "@std/assert";
import { skip, test } from "../support/test.ts";

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
}

/** Runs a program with Deno's own exporter; gives the spans that it exported. */
async function collect(program: string): Promise<Span[]> {
  const spans: Span[] = [];
  const collector = createServer(async (request, response) => {
    const body = JSON.parse(await text(request));
    for (const { scopeSpans = [] } of body.resourceSpans ?? []) {
      for (const one of scopeSpans) spans.push(...one.spans);
    }
    response.end("{}");
  });
  await once(collector.listen(0, "127.0.0.1"), "listening");
  const { port } = collector.address() as AddressInfo;
  const env = {
    ...process.env,
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
  };
  try {
    const file = fileURLToPath(new URL(program, import.meta.url));
    await promisify(execFile)(process.execPath, ["run", "-A", "--no-check", file], { env });
  } finally {
    collector.close();
  }
  return spans;
}

const name = "OpenTelemetry records by Deno's own exporter, in threads too, in one trace";
if ("Deno" in globalThis) {
  test(name, async () => {
    const all = await collect("./deno_program.ts");
    const line = ["request", "send default", "process default", "query"].map((name) =>
      all.find((span) => span.name === name)!
    );
    assertEquals(line.map((span) => span?.name), [
      "request",
      "send default",
      "process default",
      "query",
    ]);
    assertEquals(new Set(line.map(({ traceId }) => traceId)).size, 1);
    const parents = line.slice(1).map(({ parentSpanId }) => parentSpanId);
    assertEquals(parents, line.slice(0, -1).map(({ spanId }) => spanId));
  });
} else {
  skip(name, "the exporter is Deno's");
}
