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
    if (message.type() === "error") {
      seen.errors.add(`console: ${message.text().slice(0, 300)} (${message.location().url})`);
    }
  });
  const close = async () => {
    await context.close();
    fs.rmSync(folder, { recursive: true, force: true });
    return { outside: [...seen.outside], errors: [...seen.errors] };
  };
  return { page, close, folder };
}

/** Seconds of processor time that the pages of a browser have used (on Linux, else null). */
function processorTime(folder) {
  let ticks = 0;
  try {
    for (const id of fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        const command = fs.readFileSync(`/proc/${id}/cmdline`, "utf8");
        if (!command.includes("--type=renderer") || !command.includes(folder)) continue;
        const fields = fs.readFileSync(`/proc/${id}/stat`, "utf8").split(") ")[1].split(" ");
        ticks += Number(fields[11]) + Number(fields[12]);
      } catch { /* it has ended meanwhile */ }
    }
  } catch { return null; }
  return ticks / 100;
}

/** Once the mathematics of a page is set. */
const settled = (page) => page.evaluate(() => window.MathJax?.startup?.promise);

/** Open a notebook in JupyterLite and wait for its kernel; how long that took, in seconds. */
async function start(page, url) {
  const begun = Date.now();
  await page.goto(url);
  await page.waitForSelector(".jp-Notebook .jp-Cell", { timeout: 120000 });
  await page.waitForFunction(() => window.jupyterapp?.shell.currentWidget?.sessionContext
    ?.session?.kernel?.status === "idle", null, { timeout: 180000, polling: 200 });
  return (Date.now() - begun) / 1000;
}

/** What a notebook's code cells have to show: how many have run, errors, pictures, text. */
const state = (page) => page.evaluate(() => {
  const found = { cells: 0, done: 0, failed: [], pictures: 0, text: "" };
  for (const cell of window.jupyterapp.shell.currentWidget.content.model.cells) {
    if (cell.type !== "code") continue;
    found.cells += 1;
    if (cell.executionCount && cell.executionState !== "running") found.done += 1;
    for (let i = 0; i < cell.outputs.length; i++) {
      const output = cell.outputs.get(i).toJSON();
      if (output.output_type === "error") found.failed.push(`${output.ename}: ${output.evalue}`);
      if (output.data?.["image/png"]) found.pictures += 1;
      const texts = [output.text, ...["plain", "markdown", "html"].map(
        (kind) => output.data?.[`text/${kind}`])];
      found.text += texts.flat().filter(Boolean).join("\n") + "\n";
    }
  }
  return found;
});

/** Clear a notebook and run all of its cells; stops at an error, or after `limit` seconds. */
async function runAll(page, limit, folder) {
  await page.evaluate(async () => {
    await window.jupyterapp.commands.execute("editmenu:clear-all");
    for (const cell of window.jupyterapp.shell.currentWidget.content.model.cells) {
      if (cell.type === "code") { cell.executionCount = null; cell.outputs.clear(); }
    }
  });
  const begun = Date.now(), used = processorTime(folder);
  page.evaluate(() => { window.jupyterapp.commands.execute("notebook:run-all-cells"); });
  let now;
  do {
    await page.waitForTimeout(300);
    now = await state(page);
  } while (now.done < now.cells && !now.failed.length && Date.now() - begun < limit * 1000);
  return { ...now, seconds: (Date.now() - begun) / 1000,
    processor: used === null ? null : processorTime(folder) - used };
}

/** Move the first slider of a notebook by keyboard: has its picture changed? */
async function moveSlider(page) {
  const handle = page.locator(".widget-slider .noUi-handle").first();
  await handle.scrollIntoViewIfNeeded();
  const picture = () => page.evaluate(() => document.querySelector(
    ".jupyter-widgets-view img, .widget-output img, .jupyter-widgets img")?.src ?? "");
  const before = await picture();
  await handle.focus();
  for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowRight");
  for (let i = 0; i < 150; i++) {
    const after = await picture();
    if (after && after !== before) return { before: before.length, changed: true };
    await page.waitForTimeout(100);
  }
  return { before: before.length, changed: false };
}

const tasks = {
  /** Run a notebook from its first cell to its last; `edits` first replace text in cells. */
  async run({ url, limit, edits = [], slider, shot }) {
    const { page, close, folder } = await open(WIDE);
    const started = await start(page, url);
    const edited = await page.evaluate((list) => {
      let count = 0;
      for (const cell of window.jupyterapp.shell.currentWidget.content.model.cells) {
        for (const [old, fresh] of list) {
          if (cell.sharedModel.source.includes(old)) {
            cell.sharedModel.source = cell.sharedModel.source.replace(old, fresh);
            count += 1;
          }
        }
      }
      return count;
    }, edits);
    const found = { started, edited, ...(await runAll(page, limit, folder)) };
    if (slider) found.slider = await moveSlider(page);
    if (shot) {
      fs.mkdirSync(path.dirname(shot), { recursive: true });
      await page.screenshot({ path: shot });
    }
    return { ...found, ...(await close()) };
  },

  /** Change a cell, wait for the notebook to save itself, load the page anew: is the change there? */
  async keep({ url, text }) {
    const { page, close } = await open(WIDE);
    await page.goto(url);
    await page.waitForSelector(".jp-Notebook .jp-Cell", { timeout: 120000 });
    const sources = () => page.evaluate(() => [...window.jupyterapp.shell.currentWidget.content
      .model.cells].map((cell) => cell.sharedModel.source).join("\n"));
    const before = (await sources()).includes(text);
    await page.evaluate((fresh) => {
      const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
      cells.get(cells.length - 1).sharedModel.source = fresh;
    }, text);
    await page.waitForFunction(() => !window.jupyterapp.shell.currentWidget.context.model.dirty,
      null, { timeout: 60000 });
    await page.reload();
    await page.waitForSelector(".jp-Notebook .jp-Cell", { timeout: 120000 });
    await page.waitForFunction(() => window.jupyterapp?.shell.currentWidget?.content?.model?.cells
      ?.length, null, { timeout: 60000 });
    const after = (await sources()).includes(text);
    return { before, after, ...(await close()) };
  },

  /** Move the sliders of the first page by keyboard: what changes. */
  async demo({ url, shot, phone }) {
    const { page, close } = await open(phone ? PHONE : WIDE);
    await page.goto(url, { waitUntil: "load" });
    await page.waitForSelector("#demo.drawn");
    const look = () => page.evaluate(() => ({
      outputs: document.querySelector("#demo svg.outputs").innerHTML,
      deviations: document.querySelector("#demo svg.deviations").innerHTML,
      numbers: document.querySelector("#demo tbody").innerText,
      label: document.querySelector("#demo svg.outputs").getAttribute("aria-label"),
    }));
    const looks = [await look()];
    for (const name of ["batch", "decay"]) {
      await page.focus(`#demo [name=${name}]`);
      await page.keyboard.press("ArrowLeft");
      looks.push(await look());
    }
    if (shot) await page.locator("#demo").screenshot({ path: shot });
    return { looks, ...(await close()) };
  },

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
        apart: [...document.querySelectorAll("article span.math")].filter((formula) => {
          const next = formula.nextSibling;
          if (next?.nodeType !== Node.TEXT_NODE || !/^[.,;:]/.test(next.data)) return false;
          const range = document.createRange();
          range.setStart(next, 0);
          range.setEnd(next, 1);
          return range.getBoundingClientRect().left < formula.getBoundingClientRect().left;
        }).length,
        closed: [...document.querySelectorAll(".cell_output img")]
          .filter((image) => !image.closest("a[href]")).length,
        touching: ((a, b) => !!a?.width && !!b?.width && a.right > b.left + 0.5)(
          ...[".theme-toggle-header", ".toc-header-icon"].map(
            (place) => document.querySelector(place)?.getBoundingClientRect())),
        background: getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g)
          .slice(0, 3).map(Number),
      }));
      if (shots) {
        fs.mkdirSync(shots, { recursive: true });
        await page.screenshot({ path: path.join(shots, `${name}.png`) });
      }
    }
    return { pages, ...(await close()) };
  },

  /** What the search page finds. */
  async search({ url }) {
    const { page, close } = await open(WIDE);
    await page.goto(url, { waitUntil: "load" });
    await page.waitForSelector("#search-results li a", { timeout: 30000 });
    const links = await page.evaluate(() =>
      [...document.querySelectorAll("#search-results li a")].map((link) => link.href));
    await page.waitForSelector("#search-results li p", { timeout: 30000 });
    const text = await page.locator("#search-results").innerText();
    return { links, text, ...(await close()) };
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
