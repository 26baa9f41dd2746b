/**
 * The modules that the suite consists of. Each runs in a process of its own, which loads the library
 * anew, and that takes longer than the tests of many a file: 0.3 s of processor time on Node, 0.2 on
 * Deno, 0.1 on Bun. So a module imports several test files where they are small.
 *
 * @module
 */

/**
 * Files that take up to a minute: they are begun first, or one would run alone in the end. Those that
 * start a RabbitMQ of their own are not side by side, because it starts slowly on a busy machine.
 */
const LONGEST: readonly string[] = [
  "tests/reconnect/rabbitmq_test.ts",
  "tests/brokers/rabbitmq/outages_test.ts",
  "tests/package/npm_test.ts",
  "tests/torture/redis_test.ts",
  "tests/brokers/rabbitmq/baseline_test.ts",
  "tests/torture/clusters/redis_test.ts",
  "tests/brokers/rabbitmq/cluster_test.ts",
  "tests/torture/rabbitmq_test.ts",
  "tests/brokers/rabbitmq/many_queues_test.ts",
  "tests/torture/clusters/rabbitmq_test.ts",
  "tests/brokers/rabbitmq/stalled_queue_test.ts",
  "tests/brokers/rabbitmq_test.ts",
  "tests/servers/rabbitmq_test.ts",
  "tests/hostile/prototypes_test.ts",
  "tests/worker/executors/conformance_test.ts",
];

/**
 * Folders whose files are grouped, and how many of them make a group: few enough that the groups, which
 * run side by side, end at about the same time. Files elsewhere start servers or programs that take
 * far longer than the library, or set up something for the whole process, such as OpenTelemetry.
 * Folders whose tests wait for servers, threads and processes come first: last, they would run alone.
 */
const FILES_IN_GROUP: Readonly<Record<string, number>> = {
  "tests/worker/executors": 3,
  "tests/results": 5,
  "tests/rate_limits": 5,
  "tests/cli": 3,
  "tests/control": 3,
  "tests/servers": 3,
  "tests/hostile": 3,
  "tests/brokers": 2,
  "tests/brokers/rabbitmq": 5,
  "tests/brokers/redis": 4,
  "tests/brokers/sqlite": 4,
  "tests/clients/redis": 6,
  "tests/clients/memcached": 6,
  "tests/dashboard": 4,
  "tests/inspection": 3,
  "tests": 5,
  "tests/brokers/stub": 6,
  "tests/clients/sqlite": 6,
  "tests/core": 6,
  "tests/docs": 2,
  "tests/encoders": 6,
  "tests/mutants": 2,
  "tests/middleware": 6,
  "tests/operations": 2,
  "tests/platform": 6,
  "tests/release": 2,
  "tests/testing": 6,
  "tests/worker": 5,
};

/** Modules that import all test files, in the order in which they are to run. */
export interface TestModules extends Disposable {
  readonly paths: readonly string[];
  /** Resolves when all of them have begun. */
  readonly haveBegun: Promise<void>;
}

/** Milliseconds between two looks at what has begun. */
const INTERVAL = 500;

/**
 * Writes the modules to a temporary folder.
 *
 * @param pieces Number of processes that each begin with a piece of the list.
 * @returns Their paths; the folder is removed at the end.
 */
export function makeTestModules(pieces: number): TestModules {
  const folder = Deno.makeTempDirSync({ prefix: "dramatiq-test-modules-" });
  // A module imports first what removes itself from here.
  const waiting = `${folder}/waiting`;
  Deno.mkdirSync(waiting);
  const modules = divide();
  const dealt = Array.from(
    { length: pieces },
    (_, piece) => modules.filter((_, i) => i % pieces === piece),
  ).flat();
  const paths = dealt.map((files, i) => {
    // Deno and Bun run modules in the order of their names.
    const name = `${i}`.padStart(3, "0") + `_${files[0]!.replaceAll("/", "_")}`;
    const path = `${folder}/${name.replace(/\.ts$/, ".mjs")}`;
    Deno.writeTextFileSync(`${waiting}/${i}.mjs`, REMOVES_ITSELF);
    const specifiers = [`./waiting/${i}.mjs`, ...files.map((file) => new URL(file, root()).href)];
    const imports = specifiers.map((specifier) => `import ${JSON.stringify(specifier)};\n`);
    Deno.writeTextFileSync(path, imports.join(""));
    return path;
  });
  const { promise: haveBegun, resolve } = Promise.withResolvers<void>();
  const timer = setInterval(() => {
    if (entriesOf(waiting).length === 0) resolve();
  }, INTERVAL);
  return {
    paths,
    haveBegun,
    [Symbol.dispose]: () => {
      clearInterval(timer);
      Deno.removeSync(folder, { recursive: true });
    },
  };
}

const REMOVES_ITSELF = `import { rmSync } from "node:fs";
rmSync(new URL(import.meta.url), { force: true });
`;

/** The test files of each module. */
function divide(): string[][] {
  const groups = Object.entries(FILES_IN_GROUP).flatMap(([folder, size]) => {
    const files = testFilesIn(folder).filter((file) => !LONGEST.includes(file));
    return Array.from(
      { length: Math.ceil(files.length / size) },
      (_, i) => files.slice(i * size, (i + 1) * size),
    );
  });
  const placed = new Set([...LONGEST, ...groups.flat()]);
  const others = testFilesBelow("tests").filter((file) => !placed.has(file));
  return [...LONGEST.map((file) => [file]), ...others.map((file) => [file]), ...groups];
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
