import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert";
import { test } from "../support/test.ts";
import { type Project, ROOT } from "./project.ts";

const EXAMPLES = join(ROOT, "examples", "testing");

/**
 * Declares the test of an application that is tested with the package and vitest.
 *
 * @param project A project with the package and vitest.
 * @param node Node 24.
 */
export function declareTestingTests(project: Project, node: string): void {
  test("the example tests of an application pass with vitest and the package", async () => {
    const read = (name: string) => readFile(join(EXAMPLES, name), "utf8");
    await project.write({
      "testing/app.ts": await read("app.ts"),
      "testing/sign_up.test.ts": await read("vitest_tests.ts"),
    });
    const vitest = join("node_modules", "vitest", "vitest.mjs");
    const output = await project.run(node, vitest, "run", "--dir", "testing");
    assert(/Tests +4 passed/.test(output), output);
  });
}
