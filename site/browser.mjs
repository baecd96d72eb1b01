// What the site's tests ask of headless Chromium.
//
//   node browser.mjs '{"task": "…", …}'          prints one JSON object
//
// The tasks are the functions of `tasks`.  Every name but the local address is left unresolved, so a
// request to outside fails; it is also listed.  PLAYWRIGHT is the folder of playwright-core, CHROMIUM
// the browser.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";

const { chromium } = createRequire(path.resolve(process.env.PLAYWRIGHT, "package.json"))(
  path.resolve(process.env.PLAYWRIGHT));
const ARGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-quic",
  "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"];
const WIDE = { viewport: { width: 1280, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

/** A browser of its own, with what it asked from outside and what went wrong. */
async function open(options) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "site-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: process.env.CHROMIUM, headless: true, args: ARGS, ...options });
  const seen = { outside: new Set(), errors: new Set() };
  context.on("request", (request) => {
    const url = request.url();
    if (!/^(http:\/\/127\.0\.0\.1[:/]|data:|blob:)/.test(url)) seen.outside.add(url);
  });
  context.on("response", (response) => {
    if (response.status() >= 400) seen.errors.add(`${response.status()} ${response.url()}`);
  });
  const page = context.pages()[0] ?? await context.newPage();
  page.on("pageerror", (error) => seen.errors.add(String(error).slice(0, 300)));
  page.on("console", (message) => {
    if (message.type() === "error") seen.errors.add("console: " + message.text().slice(0, 300));
  });
  const close = async () => {
    await context.close();
    fs.rmSync(folder, { recursive: true, force: true });
    return { outside: [...seen.outside], errors: [...seen.errors] };
  };
  return { page, close };
}

/** Once the mathematics of a page is set. */
const settled = (page) => page.evaluate(() => window.MathJax?.startup?.promise);

const tasks = {
  /** Every page of `urls`: is it wider than the screen, which formulas failed, pictures without text. */
  async look({ urls, phone, shots, dark }) {
    const { page, close } = await open({ ...(phone ? PHONE : WIDE),
      colorScheme: dark ? "dark" : "light" });
    const pages = {};
    for (const [name, url] of Object.entries(urls)) {
      await page.goto(url, { waitUntil: "load" });
      await settled(page);
      pages[name] = await page.evaluate(() => ({
        wide: document.documentElement.scrollWidth - window.innerWidth,
        formulas: document.querySelectorAll("mjx-container").length,
        failed: document.querySelectorAll("mjx-merror, [data-mjx-error]").length,
        unset: [...document.querySelectorAll("article p, article li, article td")]
          .filter((node) => /\\(frac|alpha|begin|mu_|sigma)/.test(node.innerText)).length,
        unnamed: [...document.querySelectorAll("img")].filter((image) => !image.alt).length,
        title: document.title,
      }));
      if (shots) {
        fs.mkdirSync(shots, { recursive: true });
        await page.screenshot({ path: path.join(shots, `${name}.png`) });
      }
    }
    return { pages, ...(await close()) };
  },

  /** Parts of one page, for eyes: screenshots at each of `at`, a share of the page's height. */
  async scroll({ url, shots, name, at, phone, dark }) {
    const { page, close } = await open({ ...(phone ? PHONE : WIDE),
      colorScheme: dark ? "dark" : "light" });
    await page.goto(url, { waitUntil: "load" });
    await settled(page);
    fs.mkdirSync(shots, { recursive: true });
    for (const share of at) {
      await page.evaluate((part) => window.scrollTo({
        top: part > 1 ? part : part * document.documentElement.scrollHeight, behavior: "instant" }), share);
      await page.waitForTimeout(300);
      await page.screenshot({ path: path.join(shots, `${name}-${share}.png`) });
    }
    return close();
  },
};

const request = JSON.parse(process.argv[2]);
console.log(JSON.stringify(await tasks[request.task](request)));
