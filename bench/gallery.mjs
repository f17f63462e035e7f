// Measures the gallery in a browser, as the person before it sees it. Prints one JSON object; gallery.py starts it.
//   node gallery.mjs open ADDRESS            how long the first look takes
//   node gallery.mjs everything ADDRESS      that, then scrolling, scrubbing, searching, the map; memory and elements all the while
//   node gallery.mjs thumbnails ADDRESS      how soon after a stop everything in the window is drawn
import { gzipSync } from 'node:zlib';
import { browserPath, launch } from '../web/e2e/gallery.mjs';

const [what, address] = process.argv.slice(2);
const VIEWPORT = { width: 1280, height: 800 };
const STEP = 60;
const share = (values, at) => { const sorted = values.toSorted((a, b) => a - b); return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? 0; };
const summary = (values) => ({ count: values.length, p50: share(values, 0.5), p95: share(values, 0.95), most: share(values, 1) });

/** Runs in the page before anything else: when the timeline can be used, and every long task. */
function watch() {
  performance.setResourceTimingBufferSize(20_000);
  const bench = (globalThis.bench = { usable: null, tasks: [], most: 0, mostNodes: 0 });
  new PerformanceObserver((list) => { for (const task of list.getEntries()) bench.tasks.push({ at: task.startTime, ms: task.duration }); }).observe({ type: 'longtask', buffered: true });
  /** Cells that can be seen, and whether each of them shows its picture (or says that there is none). */
  bench.seen = () => {
    const frame = document.querySelector('.scroller')?.getBoundingClientRect();
    if (!frame) return [];
    return [...document.querySelectorAll('[role=gridcell]')].filter((cell) => { const box = cell.getBoundingClientRect(); return box.bottom > frame.top && box.top < frame.bottom && box.height > 0; });
  };
  bench.drawn = () => {
    const cells = bench.seen();
    return cells.length > 0 && cells.every((cell) => { const picture = cell.querySelector('img'); return picture ? picture.complete && picture.naturalWidth > 0 : cell.querySelector('.none') !== null; });
  };
  const look = () => {
    // One frame later it is on the screen.
    if (bench.drawn()) requestAnimationFrame((now) => { bench.usable = now; });
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

async function open(browser) {
  const context = await browser.newContext({ viewport: VIEWPORT });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const wrong = [];
  const scripts = [];
  const origin = new URL(address).origin;
  page.on('request', (request) => { if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith('blob:')) wrong.push(`foreign request: ${request.url()}`); });
  page.on('console', (message) => { if (message.type() === 'error') wrong.push(`console: ${message.text()} ${message.location().url}`); });
  page.on('pageerror', (error) => wrong.push(`exception: ${error}`));
  page.on('response', (response) => { if (/\.js$/.test(new URL(response.url()).pathname)) scripts.push(response.body().then((body) => gzipSync(body).length)); });
  await page.addInitScript(watch);
  await page.goto(address);
  await page.waitForFunction(() => globalThis.bench.usable !== null);
  const initial = (await Promise.all(scripts)).reduce((sum, bytes) => sum + bytes, 0);
  const first = await page.evaluate(() => ({
    painted: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null, usable: globalThis.bench.usable,
    cells: globalThis.bench.seen().length, longest: Math.max(0, ...globalThis.bench.tasks.map((task) => task.ms)),
  }));
  return { context, page, wrong, first: { ...first, scripts: initial } };
}

const countNodes = () => {
  const walker = document.createTreeWalker(document, NodeFilter.SHOW_ALL);
  let nodes = 1;
  while (walker.nextNode()) nodes++;
  const bench = globalThis.bench;
  bench.most = Math.max(bench.most, document.querySelectorAll('*').length);
  bench.mostNodes = Math.max(bench.mostNodes, nodes);
};

/** Bytes of the heap in use after everything that can go has gone, and of arrays outside it. */
async function heapOf(page) {
  const debug = await page.context().newCDPSession(page);
  await debug.send('HeapProfiler.collectGarbage');
  await debug.send('HeapProfiler.collectGarbage');
  const { usedSize, backingStorageSize } = await debug.send('Runtime.getHeapUsage');
  await debug.detach();
  return { used: usedSize, arrays: backingStorageSize ?? null };
}

/** Times between frames while something is done in the page, and the longest task of that time. */
async function frames(page, run) {
  await page.evaluate(() => {
    const bench = globalThis.bench;
    Object.assign(bench, { frames: [], running: true, since: performance.now() });
    let last = performance.now();
    const frame = () => { const now = performance.now(); bench.frames.push(now - last); last = now; if (bench.running) requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
  });
  await run();
  const { times, tasks } = await page.evaluate(() => new Promise((resolve) => {
    const bench = globalThis.bench;
    bench.running = false;
    // Entries come a little after the tasks that they are about.
    setTimeout(() => resolve({ times: bench.frames, tasks: bench.tasks.filter((task) => task.at >= bench.since).map((task) => task.ms) }), 300);
  }));
  return { frames: summary(times), over: times.filter((ms) => ms > 40).length, longest: Math.max(0, ...tasks) };
}

/** `count` frames, each `step` pixels further. */
const scroll = (page, step, count) => page.evaluate(({ step, count }) => new Promise((resolve) => {
  const scroller = document.querySelector('.scroller');
  let left = count;
  const frame = () => { if (left-- === 0) return resolve(); scroller.scrollTop += step; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}), { step, count });

async function scrub(page, to) {
  const slider = page.getByRole('slider', { name: 'Month' });
  const box = await slider.boundingBox();
  const x = box.x + box.width / 2;
  await page.mouse.move(x, box.y + 10);
  await page.mouse.down();
  for (let step = 0; step <= 120; step++) {
    await page.mouse.move(x, box.y + 10 + ((box.height - 10) * to * step) / 120);
    await page.evaluate(countNodes);
  }
  await page.mouse.up();
}

/** Server times of requests: from their last byte out to their first byte in. */
const served = (page, part) => page.evaluate((part) => performance.getEntriesByType('resource').filter((one) => one.name.includes(part) && one.responseStart > 0).map((one) => one.responseStart - one.requestStart), part);
const forget = (page) => page.evaluate(() => { performance.clearResourceTimings(); });
const visit = async (page, path) => { await page.evaluate((to) => { history.pushState({ inside: true }, '', to); dispatchEvent(new PopStateEvent('popstate')); }, path); };

const QUERIES = ['berlin canon', 'camera:canon type:video', 'place:town12', 'tag:tag17', 'album:"Album 3"', 'date:2015-06', 'family berlin', 'word12 sea', 'is:favourite rating:5', 'lens:50mm', 'near:52.52,13.40,10km', 'IMG_0042'];

async function searching(page) {
  await forget(page);
  const box = page.locator('#search');
  for (const query of QUERIES) {
    await box.focus();
    await page.keyboard.press('Control+A');
    // Slower than the pause after which the page asks, so that every letter is asked about.
    await page.keyboard.type(query, { delay: 130 });
    await page.keyboard.press('Enter');
    await page.waitForFunction((q) => new URL(location.href).searchParams.get('q') === q, query);
    await page.waitForFunction(() => globalThis.bench.drawn() || document.querySelector('.empty'));
  }
  const [typed, found, columns] = await Promise.all(['/complete', '/timeline/skeleton?q', '/timeline/columns?q'].map((part) => served(page, part)));
  return { typed: summary(typed), found: summary(found), columns: summary(columns) };
}

async function map(page) {
  await visit(page, '/places');
  await page.waitForSelector('.map button.cell');
  const [first] = await served(page, '/map');
  await forget(page);
  await page.locator('.map').focus();
  const keys = ['ArrowLeft', 'ArrowUp', '+', 'ArrowRight', 'ArrowDown', '+', 'ArrowLeft', 'ArrowLeft', '-', 'ArrowUp', '+', 'ArrowRight', '-', 'ArrowDown', '-'];
  for (let step = 0; step < 90; step++) {
    await page.keyboard.press(keys[step % keys.length]);
    await page.waitForTimeout(140);
  }
  await page.waitForTimeout(500);
  return { first, moves: summary(await served(page, '/map')) };
}

const everything = async (browser) => {
  const { page, wrong, first, context } = await open(browser);
  const steady = await frames(page, async () => { await scroll(page, STEP, 600); await page.evaluate(countNodes); });
  await page.waitForFunction(() => globalThis.bench.drawn());
  const scrubbed = await frames(page, () => scrub(page, 1));
  const since = Date.now();
  await page.waitForFunction(() => globalThis.bench.drawn());
  const settled = Date.now() - since;
  const reached = await page.evaluate(() => ({
    last: Math.max(...globalThis.bench.seen().map((cell) => Number(cell.dataset.index))) + 1,
    // "97,958 photos", and with stacks ", 97,960 with all that is in stacks" behind it.
    photos: Number(document.querySelector('.count').textContent.match(/\d[\d,]*/)[0].replace(/\D/g, '')),
  }));
  const heap = await heapOf(page);
  // Somewhere in the middle, where the element's scroll position is not the place in the library.
  await scrub(page, 0.5);
  const middle = await frames(page, async () => { await scroll(page, STEP, 300); await page.evaluate(countNodes); });
  await visit(page, '/');
  const search = await searching(page);
  await visit(page, '/');
  await page.waitForFunction(() => globalThis.bench.drawn());
  const moved = await map(page);
  await visit(page, '/');
  await page.waitForFunction(() => globalThis.bench.drawn());
  const heapAfter = await heapOf(page);
  const { most, mostNodes } = await page.evaluate(() => ({ most: globalThis.bench.most, mostNodes: globalThis.bench.mostNodes }));
  await context.close();
  return { first, steady, scrubbed, settled, reached, heap, middle, search, map: moved, heapAfter, elements: most, nodes: mostNodes, wrong };
};

/** How long after the last step of a scroll every cell in the window is drawn. */
const stops = async (page, step, count) => {
  const times = [];
  for (let stop = 0; stop < 20; stop++) {
    times.push(await page.evaluate(({ step, count }) => new Promise((resolve) => {
      const scroller = document.querySelector('.scroller');
      let left = count;
      const frame = () => {
        if (left-- > 0) { scroller.scrollTop += step; return requestAnimationFrame(frame); }
        const stopped = performance.now();
        const look = () => { if (globalThis.bench.drawn()) requestAnimationFrame(() => resolve(performance.now() - stopped)); else requestAnimationFrame(look); };
        look();
      };
      requestAnimationFrame(frame);
    }), { step, count }));
  }
  return times;
};

const thumbnails = async (browser) => {
  const { page, wrong, first, context } = await open(browser);
  const steady = await stops(page, STEP, 60);
  const quick = await stops(page, 300, 20);
  const flung = await stops(page, 2_400, 10);
  // Dragged to somewhere else and let go.
  const jumped = [];
  for (let jump = 0; jump < 20; jump++) {
    const slider = await page.getByRole('slider', { name: 'Month' }).boundingBox();
    const x = slider.x + slider.width / 2;
    await page.mouse.move(x, slider.y + 20);
    await page.mouse.down();
    await page.mouse.move(x, slider.y + 20 + (slider.height - 40) * ((jump * 7) % 20) / 20, { steps: 8 });
    const begun = await page.evaluate(() => performance.now());
    await page.mouse.up();
    await page.waitForFunction(() => globalThis.bench.drawn(), undefined, { polling: 'raf' });
    jumped.push((await page.evaluate(() => performance.now())) - begun);
  }
  const asked = await page.evaluate(() => performance.getEntriesByType('resource').filter((one) => one.name.includes('/t/')).length);
  const pictures = await served(page, '/t/');
  await context.close();
  return { first, steady: summary(steady), quick: summary(quick), flung: summary(flung), jumped: summary(jumped), asked, pictures: summary(pictures), wrong };
};

if (!browserPath) { console.log(JSON.stringify({ skipped: 'no Chromium here (apt install chromium, or SAFELIGHT_CHROMIUM)' })); process.exit(0); }
const browser = await launch();
const answer = what === 'open' ? await open(browser).then(({ first, wrong }) => ({ first, wrong })) : what === 'thumbnails' ? await thumbnails(browser) : await everything(browser);
await browser.close();
console.log(JSON.stringify({ ...answer, browser: browser.version() }));
