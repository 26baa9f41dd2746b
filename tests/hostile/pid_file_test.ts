import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assertEquals, assertMatch } from "@std/assert";
import { Fixture, ROOT, RUN } from "../cli/fixture.ts";
import { test } from "../support/test.ts";

const STARTERS = 6;
const ROUNDS = 3;

/** A program that takes the pid file at a moment that all share, and keeps it until told. */
const STARTER = `
import process from "node:process";
import { PidFile } from "${pathToFileURL(join(ROOT, "cli/pid_file.ts")).href}";
const [path, at] = process.argv.slice(2);
while (Date.now() < Number(at));
try {
  const file = new PidFile(path);
  console.log("owns");
  process.stdin.on("data", () => { file[Symbol.dispose](); process.exit(0); });
} catch (error) {
  console.log(error.name);
  process.exit(4);
}
`;

test("PidFile is owned by one of many that find the same stale file at the same moment", async () => {
  await using fixture = await Fixture.open({ "starter.ts": STARTER });
  const dead = spawn(process.execPath, ["--version"], { stdio: "ignore" });
  await once(dead, "exit");
  for (let round = 0; round < ROUNDS; round++) {
    const path = join(fixture.folder, `${round}.pid`);
    await writeFile(path, String(dead.pid));
    const at = String(Date.now() + 1_500);
    const starters = Array.from({ length: STARTERS }, () => {
      const child = spawn(
        process.execPath,
        [...RUN, join(fixture.folder, "starter.ts"), path, at],
        {
          stdio: ["pipe", "pipe", "inherit"],
        },
      );
      const said = once(child.stdout!, "data").then(([bytes]) => String(bytes).trim());
      return { child, said };
    });
    const said = await Promise.all(starters.map(({ said }) => said));
    assertEquals(said.toSorted(), [...Array(STARTERS - 1).fill("PidFileError"), "owns"]);
    const owner = starters[said.indexOf("owns")]!.child;
    assertEquals(await readFile(path, "utf8"), String(owner.pid));
    owner.stdin!.write("end\n");
    await once(owner, "exit");
  }
  assertEquals((await readdir(fixture.folder)).filter((name) => name !== "starter.ts"), []);
});

test("PidFile refuses at once what is no regular file, and leaves it alone", async () => {
  await using fixture = await Fixture.open();
  await once(spawn("mkfifo", [join(fixture.folder, "pipe")]), "exit");
  await mkdir(join(fixture.folder, "folder"));
  await writeFile(join(fixture.folder, "target"), "999999999");
  await symlink(join(fixture.folder, "target"), join(fixture.folder, "link"));
  await Promise.all(["pipe", "folder", "link"].map(async (name) => {
    const program = fixture.start(["a.ts", "--pid-file", name]);
    assertEquals(await program.ended, 4, name);
    assertMatch(program.output, /^Cannot use pid file \w+: it is not a regular file\n$/);
  }));
  assertEquals(await readFile(join(fixture.folder, "target"), "utf8"), "999999999");
  assertEquals((await readdir(fixture.folder)).filter((name) => name.endsWith(".lock")), []);
});
