/**
 * Drives a browser through the dashboards of `serve.ts`, on Node: `driver.ts URL BROWSER quick|full`,
 * or `pictures FOLDER`. Prints a line of JSON for each step.
 *
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import axe from "axe-core";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const [url = "", executablePath = "", mode = "quick", folder = ""] = process.argv.slice(2);

/** Milliseconds for anything that a browser is to show, on a busy machine. */
const TIMEOUT = 30_000;
const WIDE = { width: 1_200, height: 800 };
const PHONE = { width: 420, height: 860 };

/** What a page must not do. */
interface Watched {
  readonly page: Page;
  readonly problems: string[];
}

async function open(browser: Browser, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: WIDE, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(TIMEOUT);
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  // Chromium reports violations of the policy here, too.
  page.on("console", (message) => {
    if (message.type() === "error" && !/status of 40[034]/.test(message.text())) {
      problems.push(`console: ${message.text()}`);
    }
  });
  return { page, problems };
}

function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

async function control(scene: string, verb: string): Promise<void> {
  await fetch(`${url}/-/${scene}/${verb}`, { method: "POST" });
}

/** Violations that axe finds, with the elements. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const found = await axe.run();
    return found.violations.map(({ id, nodes }) =>
      `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 200)).join(" | ")}`
    );
  });
}

/** Address of the first message of a list. */
async function firstMessage(page: Page, list: string): Promise<string> {
  await page.goto(list);
  return await page.locator("tr[data-row] a").first().evaluate((a) =>
    (a as unknown as { href: string }).href
  );
}

const PAGES = [
  "",
  "queues/default/dead",
  "running",
  "workers",
  "dead",
  "queues/default/waiting",
  "queues/default/delayed",
  "schedules",
  "operations",
  "find?id=x",
  "operations/new?queue=default&state=dead&change=drop",
  "queues/default/cancel",
  "nothing",
];

/** Opens pages, and looks at each. */
async function look(browser: Browser, options: BrowserContextOptions, pages: readonly string[]) {
  const { page, problems } = await open(browser, options);
  const addresses = pages.map((one) => `${url}/hostile/${one}`);
  addresses.push(await firstMessage(page, `${url}/hostile/queues/default/dead`));
  for (const address of addresses) {
    await page.goto(address);
    const found = await violations(page);
    assert(found.length === 0, `${address}: ${found.join("\n")}`);
    const width = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
    assert(width <= 0, `${address} is ${width} px too wide`);
    assert(problems.length === 0, `${address}: ${problems.join("\n")}`);
  }
  await page.context().close();
}

/** Waits for the page to have been updated so many times more. */
async function updates(page: Page, scene: string, count: number): Promise<void> {
  const seen = "Number(document.documentElement.dataset.updates ?? 0)";
  const start = await page.evaluate<number>(seen);
  for (let i = 1; i <= count; i++) {
    await control(scene, "more");
    const end = Date.now() + TIMEOUT;
    while (await page.evaluate<number>(seen) < start + i) {
      assert(Date.now() < end, "no update arrives");
      await page.waitForTimeout(50);
    }
  }
}

const STEPS: Readonly<Record<string, (browser: Browser) => Promise<void>>> = {
  "hostile names do nothing, and axe finds nothing: light, wide": (browser) =>
    look(browser, { colorScheme: "light" }, mode === "full" ? PAGES : PAGES.slice(0, 3)),

  "hostile names do nothing, and axe finds nothing: dark, phone": (browser) =>
    look(
      browser,
      { colorScheme: "dark", viewport: PHONE },
      mode === "full" ? PAGES : PAGES.slice(0, 4),
    ),

  async "focus, scroll and an open form survive updates"(browser) {
    const { page, problems } = await open(browser, { viewport: { width: 700, height: 400 } });
    await page.goto(`${url}/plain/`);
    await updates(page, "plain", 1);
    const menu = page.locator("#q-default details");
    await menu.locator("summary").click();
    const input = menu.locator("input[name=reason]");
    await input.fill("the upstream is");
    await page.evaluate("scrollTo(0, 120)");
    await page.locator("#queues").evaluate((table) => table.scrollLeft = 40);
    const before = await page.locator("#q-default .num a").first().textContent();
    await updates(page, "plain", mode === "full" ? 5 : 2);
    assert(await menu.getAttribute("open") !== null, "the form was closed");
    assert(await input.inputValue() === "the upstream is", "what was typed is lost");
    assert(await page.evaluate("document.activeElement.name") === "reason", "the focus is lost");
    assert(await page.evaluate("scrollY") === 120, "the page has scrolled");
    assert(
      await page.locator("#queues").evaluate((one) => one.scrollLeft) === 40,
      "the table has scrolled",
    );
    const after = await page.locator("#q-default .num a").first().textContent();
    assert(before !== after, `the figures did not change: ${before}`);
    assert(problems.length === 0, problems.join("\n"));
    await page.context().close();
  },

  async "an outage is told, and so is its end"(browser) {
    const { page } = await open(browser);
    await page.goto(`${url}/empty/`);
    await updates(page, "empty", 1);
    await control("empty", "down");
    await page.locator("#status .bad").waitFor();
    assert(/ECONNREFUSED/.test(await page.locator("#status").textContent() ?? ""), "no reason");
    await control("empty", "up");
    await page.locator("#status .bad").waitFor({ state: "detached" });
    await page.context().close();
  },

  async "keys move, select and lead to pages"(browser) {
    const { page, problems } = await open(browser);
    await page.goto(`${url}/plain/queues/default/dead`);
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("x");
    assert(await page.locator("#chosen").textContent() === "1 selected", "x selects nothing");
    await page.keyboard.press("/");
    assert(await page.evaluate("document.activeElement.id") === "find", "/ does not focus");
    await page.keyboard.type("g w");
    assert(await page.locator("#find").inputValue() === "g w", "keys act in a field");
    await page.locator("h1").click();
    await page.keyboard.press("?");
    await page.locator("dialog[open]").waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("g");
    await page.keyboard.press("w");
    await page.waitForURL(`${url}/plain/workers`);
    await page.selectOption("#set-keys", "off");
    await page.locator('html[data-keys="off"]').waitFor();
    await page.keyboard.press("?");
    assert(await page.locator("dialog[open]").count() === 0, "keys are not off");
    assert(problems.length === 0, problems.join("\n"));
    await page.context().close();
  },

  async "pages work without script"(browser) {
    const { page } = await open(browser, { javaScriptEnabled: false });
    await page.goto(`${url}/plain/queues/default/dead`);
    await page.locator("input[name=key]").first().check();
    await page.locator("#requeue").click();
    assert(
      /Requeued 1 message/.test(await page.locator(".note.good").textContent() ?? ""),
      "not requeued",
    );
    await page.locator("tr[data-row] a").first().click();
    await page.getByRole("button", { name: "Requeue" }).click();
    assert(
      /Requeued 1 message/.test(await page.locator(".note.good").textContent() ?? ""),
      "not requeued",
    );
    await page.selectOption("#set-theme", "dark");
    await page.getByRole("button", { name: "Set" }).click();
    assert(await page.locator('html[data-theme="dark"]').count() === 1, "the theme is not kept");
    await page.context().close();
  },

  async "links and forms work below a base path, and for those who may only read"(browser) {
    const { page, problems } = await open(browser);
    await page.goto(`${url}/based/`);
    await page.locator("#nav").getByText("Workers").click();
    await page.waitForURL(`${url}/based/workers`);
    await page.goto(`${url}/based/queues/default/dead`);
    await page.locator(".groups a, .act a").first().click();
    await page.getByRole("button", { name: "Requeue" }).click();
    await page.waitForURL(/\/based\/operations\/1\?notice=/);
    await page.getByText("done", { exact: true }).first().waitFor();
    await page.goto(`${url}/readonly/queues/default/dead`);
    assert(
      await page.locator("main button, main input[type=checkbox]").count() === 1,
      "it shows actions",
    );
    assert(problems.length === 0, problems.join("\n"));
    await page.context().close();
  },
};

/** Pictures for the documentation. */
async function pictures(browser: Browser): Promise<void> {
  const shoot = async (name: string, path: string, options: BrowserContextOptions = {}) => {
    const { page } = await open(browser, { viewport: { width: 1_100, height: 700 }, ...options });
    await page.goto(url + path);
    await page.locator('html[data-updates], html:not([data-live="on"])').first().waitFor();
    await page.screenshot({ path: join(folder, `${name}.png`) });
    await page.context().close();
  };
  const dark = { colorScheme: "dark" } as const;
  await shoot("queues", "/plain/");
  await shoot("queues-dark", "/plain/", dark);
  await shoot("dead-letters", "/plain/queues/default/dead");
  await shoot("message-dark", new URL(await firstOf(browser)).pathname, dark);
  await shoot("running", "/plain/running");
  await shoot("workers-dark", "/plain/workers", dark);
  await shoot("empty", "/empty/", { viewport: { width: 1_100, height: 420 } });
  await shoot("phone", "/plain/", { viewport: { width: 420, height: 780 } });
  const { page } = await open(browser, { viewport: { width: 1_100, height: 420 } });
  await page.goto(`${url}/plain/`);
  await updates(page, "plain", 1);
  await control("plain", "down");
  await page.getByText("has not answered").waitFor();
  await page.screenshot({ path: join(folder, "outage.png") });
  await control("plain", "up");
}

async function firstOf(browser: Browser): Promise<string> {
  const { page } = await open(browser);
  const address = await firstMessage(page, `${url}/plain/queues/default/dead`);
  await page.context().close();
  return address;
}

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
try {
  if (mode === "pictures") await pictures(browser);
  else {
    for (const [name, step] of Object.entries(STEPS)) {
      const started = performance.now();
      const error = await step(browser).then(
        () => undefined,
        (error) => `${error?.stack ?? error}`,
      );
      console.log(JSON.stringify({ name, error, ms: Math.round(performance.now() - started) }));
    }
  }
} finally {
  await browser.close();
}
