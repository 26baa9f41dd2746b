/**
 * Stands in for `jsr:@std/testing/bdd` where JSR cannot be reached: the part of it that an example
 * uses, with the same signatures, on Deno.
 *
 * @module
 */

type Body = () => void | Promise<void>;

/** A call of `describe` that has not returned. */
interface Suite {
  readonly name: string;
  readonly before: Body[];
  readonly after: Body[];
}

const suites: Suite[] = [];

/** Groups tests. */
export function describe(name: string, fn: () => void): void {
  suites.push({ name, before: [], after: [] });
  fn();
  suites.pop();
}

/** Runs before each test of the group. */
export function beforeEach(fn: Body): void {
  suites.at(-1)!.before.push(fn);
}

/** Runs after each test of the group. */
export function afterEach(fn: Body): void {
  suites.at(-1)!.after.push(fn);
}

/** Declares a test. */
export function it(name: string, fn: Body): void {
  const around = [...suites];
  Deno.test([...around.map((suite) => suite.name), name].join(" ... "), async () => {
    for (const { before } of around) for (const one of before) await one();
    try {
      await fn();
    } finally {
      for (const { after } of around.toReversed()) for (const one of after) await one();
    }
  });
}
