/**
 * Test files that run in one process, one after the other. Each process loads the library anew, which
 * takes longer than the tests of many a file: 0.3 s of processor time on Node, 0.2 on Deno, 0.1 on Bun.
 *
 * @module
 */

/**
 * Folders whose files are grouped, and how many of them make a group: few enough that the groups, which
 * run side by side, end at about the same time. Files elsewhere start servers or programs that take
 * far longer than the library.
 */
const FILES_IN_GROUP: Readonly<Record<string, number>> = {
  "tests/brokers": 2,
  "tests/brokers/redis": 4,
  "tests/brokers/sqlite": 4,
  "tests/brokers/stub": 6,
  "tests/cli": 3,
  "tests/clients/memcached": 6,
  "tests/clients/redis": 6,
  "tests/clients/sqlite": 6,
  "tests/control": 3,
  "tests/core": 6,
  "tests/dashboard": 4,
  "tests/docs": 2,
  "tests/encoders": 6,
  "tests/hostile": 3,
  "tests/inspection": 3,
  "tests/middleware": 6,
  "tests/platform": 6,
  "tests/rate_limits": 5,
  "tests/results": 5,
  "tests/servers": 3,
  "tests/testing": 6,
  "tests/worker": 5,
  "tests/worker/executors": 3,
};

/** The test files of the suite, divided. */
export interface TestGroups extends Disposable {
  /** Modules that import the files of one group each. */
  readonly groups: readonly string[];
  /** Files that are in a group. */
  readonly grouped: readonly string[];
  /** Files that are in none. */
  readonly alone: readonly string[];
}

/**
 * Divides the test files of the suite, and writes a module for each group to a temporary folder.
 *
 * @returns The groups; the folder is removed at the end.
 */
export function makeTestGroups(): TestGroups {
  const folder = Deno.makeTempDirSync({ prefix: "dramatiq-test-groups-" });
  const groups: string[] = [];
  const grouped: string[] = [];
  for (const [name, size] of Object.entries(FILES_IN_GROUP)) {
    const files = testFilesIn(name);
    grouped.push(...files);
    for (let i = 0; i < files.length; i += size) {
      const path = `${folder}/${name.replaceAll("/", "_")}_${groups.length}_test.mjs`;
      const lines = files.slice(i, i + size)
        .map((file) => `import ${JSON.stringify(new URL(file, root()).href)};\n`);
      Deno.writeTextFileSync(path, lines.join(""));
      groups.push(path);
    }
  }
  const alone = testFilesBelow("tests").filter((file) => !grouped.includes(file));
  return {
    groups,
    grouped,
    alone,
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

function root(): URL {
  return new URL("../../", import.meta.url);
}

function testFilesIn(folder: string): string[] {
  return entriesOf(folder).filter(({ name, isFile }) => isFile && name.endsWith("_test.ts"))
    .map(({ name }) => `${folder}/${name}`);
}

function testFilesBelow(folder: string): string[] {
  const folders = entriesOf(folder).filter(({ isDirectory }) => isDirectory);
  return [
    ...testFilesIn(folder),
    ...folders.flatMap(({ name }) => testFilesBelow(`${folder}/${name}`)),
  ];
}

function entriesOf(folder: string): Deno.DirEntry[] {
  return Array.from(Deno.readDirSync(new URL(`${folder}/`, root())))
    .toSorted((a, b) => a.name < b.name ? -1 : 1);
}
