// The gallery in a real browser against the real binary, on a library made from the corpus (or, without one, from
// drawn pictures). Prints one line a test and last `N passed, N failed, N skipped`. The tests lie in files by topic,
// beside this one; a new file is added to the list below.
//   SAFELIGHT_BIN=… node e2e/run.mjs [WORDS IN A TEST'S NAME[|OTHERS]]
//   SAFELIGHT_PICTURES=DIR also keeps screenshots of every page
//   SAFELIGHT_STAND_IN=1 asks the stand-in server (dev/mock.mjs) instead of the binary
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { browserPath, drawFilms, drawLivePair, drawNoise, launch, Library, open, standIn } from './gallery.mjs';
import { focused, mocked, said, tests } from './steps.mjs';
// They run in this order, all on one library.
import './security.mjs';
import './keyboard.mjs';
import './focus.mjs';
import './console.mjs';
import './viewer.mjs';
import './videos.mjs';
import './pages.mjs';
import './organise.mjs';
import './placing.mjs';
import './drag.mjs';
import './smart.mjs';
import './sync.mjs';
import './whereabouts.mjs';
import './badges.mjs';
import './consent.mjs';
import './forgetting.mjs';
import './duplicates.mjs';
import './devices.mjs';
import './history.mjs';
import './unlocking.mjs';
import './passkeys.mjs';
import './hidden.mjs';
import './first.mjs';
import './journey.mjs';
import './settings.mjs';
import './map.mjs';
import './reasons.mjs';
import './budgets.mjs';
import './ending.mjs';

const HOSTILE_NAME = '"><img src=x onerror=alert(1)>.png';
const HOSTILE_SVG = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(2)"><script>alert(3)</script></svg>';

const only = process.argv[2];
const chosen = tests.filter(({ name }) => !only || only.split('|').some((word) => name.includes(word)));
if (!browserPath) {
  console.log(`skipped: no Chromium here (apt install chromium, or SAFELIGHT_CHROMIUM)\n0 passed, 0 failed, ${chosen.length} skipped`);
  process.exit(0);
}
const library = mocked ? { make() {}, remove() {}, serve: () => standIn(4_000) } : new Library();
/** Whether there is a Live Photo in it. */
let live = false;
/** Whether there are videos in it that the browser does not play. */
let film = false;
let passed = 0;
let failed = 0;
try {
  library.make(process.env.SAFELIGHT_CORPUS, (folder) => {
    const picture = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFElEQVR42mNkYPhfz0BkwDiqEAAW1gMBUXy5zAAAAABJRU5ErkJggg==', 'base64');
    writeFileSync(join(folder, HOSTILE_NAME.replace('/', '_')), picture);
    drawNoise(folder, 'photo\u202egpj.png', 77);
    writeFileSync(join(folder, 'drawing.svg'), HOSTILE_SVG);
    live = drawLivePair(folder, 'LIVE_0001', '4C1E7A52-0D3B-4B6E-9A55-6F1B8E0C2D11');
    film = drawFilms(folder);
  });
  const serve = library.serve();
  const address = await serve.address;
  const browser = await launch();
  const { page, wrong, context } = await open(browser, address);
  await page.waitForSelector('[role=grid]');
  const state = await context.storageState();
  const secret = await page.evaluate(() => sessionStorage.getItem('safelight-secret'));
  const origin = new URL(address).origin;
  /** Another window of the same session, as a tab that was duplicated. */
  const again = async (from, options) => {
    const fresh = await from.newContext({ viewport: { width: 1280, height: 800 }, storageState: state, reducedMotion: 'reduce', ...options });
    await fresh.addInitScript((value) => sessionStorage.setItem('safelight-secret', value), secret);
    const window = await fresh.newPage();
    window.setDefaultTimeout(30_000);
    await window.goto(origin);
    await window.waitForSelector('[role=grid]');
    return { page: window, context: fresh };
  };
  const folder = process.env.SAFELIGHT_PICTURES;
  if (folder) mkdirSync(folder, { recursive: true });
  const pictures = async (name, of = page) => { if (folder) await of.screenshot({ path: join(folder, `${name}.png`) }); };
  for (const { name, run } of chosen) {
    const begun = Date.now();
    wrong.length = 0;
    try {
      await run({ browser, page, wrong, serve, library, origin, again, pictures, live, film });
      passed++;
      console.log(`ok: ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed++;
      console.log(`FAILED: ${name}\n${error.stack ?? error}\n  focus: ${JSON.stringify(await focused(page).catch(() => null))}, said: ${await said(page).catch(() => '')}, ${wrong.join('; ')}`);
      await page.keyboard.press('Escape').catch(() => {});
    }
  }
  await browser.close();
  await serve.stop();
} catch (error) {
  failed++;
  console.log(`FAILED: starting the gallery\n${error.stack ?? error}`);
} finally {
  library.remove();
}
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed === 0 ? 0 : 1);
