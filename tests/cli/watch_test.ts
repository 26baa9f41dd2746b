import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { matches } from "../../cli/glob.ts";
import { test } from "../support/test.ts";
import { Fixture, isRunning } from "./fixture.ts";

/** An actor that notes a word, which is sent once a second run of the module would show. */
function saying(word: string): string {
  return `import { actor, setBroker, StubBroker } from "@dq/dramatiq";
setBroker(new StubBroker());
const say = actor(function say() { note(${JSON.stringify(word)}); });
await say.send();`;
}

test("--watch reloads on a change, keeps the old worker when the new code does not import, and takes patterns", async () => {
  await using fixture = await Fixture.open({ "actors.ts": saying("one") });
  const args = ["actors.ts", "-t", "0", "--watch", ".", "-i", "*.txt", "-x", "generated/**"];
  const program = fixture.start(args);
  await program.working();
  await fixture.noted("one");

  await fixture.write("actors.ts", saying("two"));
  await fixture.noted("two");
  await program.working(2);
  await program.printed("Reloading: actors.ts has changed");

  await fixture.write("actors.ts", "this is no code");
  await program.printed("Failed to reload, so the old code stays in use: Cannot import actors.ts");
  assert(isRunning(program.workers[1]!));

  // As editors do it: another file takes its place.
  await fixture.write("actors.ts.new", saying("three"));
  await rename(join(fixture.folder, "actors.ts.new"), join(fixture.folder, "actors.ts"));
  await fixture.noted("three");
  await program.working(3);

  // What does not count comes first, so that its reload would come first, too.
  await mkdir(join(fixture.folder, "generated"));
  await writeFile(join(fixture.folder, "generated", "code.ts"), "");
  await writeFile(join(fixture.folder, "numbers.csv"), "");
  await writeFile(join(fixture.folder, "words.txt"), "");
  await program.printed("Reloading: words.txt has changed");
  await program.working(4);
  assertEquals(program.output.match(/Reloading/g)!.length, 4);
  assertEquals(await program.stop(), 0);
});

test("--watch waits for a change when the code does not import at the start", async () => {
  await using fixture = await Fixture.open({ "actors.ts": "this is no code" });
  const program = fixture.start(["actors.ts", "-t", "0", "-p", "2", "--watch", "."]);
  await program.printed("Waiting for a change in .");
  assertStringIncludes(program.output, "Cannot import actors.ts");
  await fixture.write("actors.ts", saying("one"));
  await program.working(2);
  await fixture.noted("one", 2);
  assertEquals(await program.stop(), 0);
});

test("matches takes the patterns of shells", () => {
  const cases: [pattern: string, path: string, fits: boolean][] = [
    ["*.ts", "a.ts", true],
    ["*.ts", "b/c/a.ts", true],
    ["*.ts", "a.tsx", false],
    ["src/*.ts", "src/a.ts", true],
    ["src/*.ts", "src/b/a.ts", false],
    ["src/**/*.ts", "src/a.ts", true],
    ["src/**/*.ts", "src/b/c/a.ts", true],
    ["**/.*/**", ".git/index", true],
    ["**/.*/**", "a/.cache/x/y", true],
    ["**/.*/**", "a/b.c/d", false],
    ["a?.{js,ts}", "ab.ts", true],
    ["a?.{js,ts}", "ab.js", true],
    ["a?.{js,ts}", "a/.ts", false],
    ["a,b.ts", "a,b.ts", true],
    ["a,b.ts", "a", false],
    ["a+(b).ts", "a+(b).ts", true],
  ];
  for (const [pattern, path, fits] of cases) {
    assertEquals(matches(path, [pattern]), fits, `${pattern} and ${path}`);
  }
  assertEquals(matches("a.ts", ["b.ts", "a.*"]), true);
  assertEquals(matches("a.ts", []), false);
});
