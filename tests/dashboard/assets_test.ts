import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { allAssets } from "../../dashboard/assets/assets.ts";
import { IDIOMORPH } from "../../dashboard/assets/idiomorph.ts";
import { readIdiomorph } from "../../release/dashboard_assets.ts";
import { runtime } from "../../platform/runtime.ts";
import { ROOT } from "../cli/fixture.ts";
import { skip, test } from "../support/test.ts";
import { Site } from "./fixture.ts";

if (runtime === "deno") {
  skip("idiomorph.ts is what the npm package holds", "Deno has no folder of packages");
} else {
  test("idiomorph.ts is what the npm package holds: else run deno task assets", async () => {
    assertEquals(IDIOMORPH, await readIdiomorph());
    const module = await readFile(join(ROOT, "dashboard", "assets", "idiomorph.ts"), "utf8");
    assertMatch(module, /0BSD/);
  });
}

test("Assets are served under names that change with their content, for good", async () => {
  await using site = new Site();
  const page = await site.text("/");
  for (const { name, text, type } of Object.values(allAssets())) {
    assert(page.includes(`./static/${name}"`), name);
    const response = await site.get(`/static/${name}`);
    assertEquals(response.headers.get("content-type"), type);
    assertMatch(response.headers.get("cache-control")!, /immutable/);
    assertEquals(await response.text(), text);
  }
  assertEquals((await site.get("/static/style.00000000.css")).status, 404);
  assertEquals((await site.get("/static/..%2Fmod.ts")).status, 404);
});

test("The script neither evaluates text nor holds what a template literal would change", () => {
  const { script } = allAssets();
  assert(!/\beval\b|new Function|setTimeout\("|\\|`/.test(script.text));
  new Function(script.text); // its syntax is right
});
