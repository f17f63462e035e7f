// What a page may cost: scripts, elements, memory, time.
import { gzipSync } from 'node:zlib';
import assert from 'node:assert/strict';
import { open, standIn, visit } from './gallery.mjs';
import { heapOf, test } from './steps.mjs';

test('the budgets hold: scripts, elements, memory', async ({ page, wrong }) => {
  await visit(page, '/');
  const sizes = [];
  const hear = (response) => { if (/\.js$/.test(new URL(response.url()).pathname)) sizes.push(response.body().then((body) => gzipSync(body).length, () => 0)); };
  page.on('response', hear);
  await page.reload();
  await page.waitForSelector('[role=gridcell] img');
  page.off('response', hear);
  const script = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  assert.ok(script > 0 && script <= 60_000, `${script} bytes of script, packed`);
  let most = 0;
  for (let step = 0; step < 30; step++) {
    await page.mouse.move(600, 400);
    await page.mouse.wheel(0, 600);
    await page.waitForTimeout(30);
    most = Math.max(most, await page.evaluate(() => document.querySelectorAll('*').length));
  }
  assert.ok(most <= 600, `${most} elements`);
  const heap = await heapOf(page);
  assert.ok(heap <= 30e6, `${heap} bytes of heap`);
  assert.deepEqual(wrong, []);
  console.log(`  scripts ${script} bytes packed, ${most} elements at most, heap ${(heap / 1e6).toFixed(1)} MB`);
});

test('a million photos scroll to the last one within the budgets', async ({ browser }) => {
  // The real server's million is measured in bench/; here it is the page that is tried, on made-up photos.
  const million = standIn(1_000_000);
  try {
    const { page, context, wrong } = await open(browser, await million.address);
    await page.waitForSelector('[role=gridcell] img');
    await page.locator('[role=gridcell]').first().focus();
    await page.keyboard.press('Control+End');
    await page.waitForFunction(() => document.activeElement?.getAttribute('data-index') === '999999' && document.activeElement.querySelector('img'));
    const seen = await page.evaluate(() => { const at = document.activeElement.getBoundingClientRect(); return at.top >= 0 && at.bottom <= innerHeight + 1; });
    assert.ok(seen, 'the last photo is in the window');
    await page.keyboard.press('Control+Home');
    let most = 0;
    const requests = [];
    page.on('request', (request) => { if (request.url().includes('columns')) requests.push(request); });
    const frames = await page.evaluate(async () => {
      const scroller = document.querySelector('.scroller');
      const times = [];
      let last = performance.now();
      for (let step = 0; step < 120; step++) {
        scroller.scrollTop += 60;
        await new Promise((resolve) => requestAnimationFrame(resolve));
        times.push(performance.now() - last);
        last = performance.now();
      }
      return times.sort((a, b) => a - b);
    });
    const slider = page.getByRole('slider', { name: 'Month' });
    const box = await slider.boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.mouse.down();
    for (let step = 0; step <= 60; step++) {
      await page.mouse.move(box.x + box.width / 2, box.y + 14 + ((box.height - 28) * step) / 60);
      most = Math.max(most, await page.evaluate(() => document.querySelectorAll('*').length));
    }
    await page.mouse.up();
    await page.waitForFunction(() => [...document.querySelectorAll('[role=gridcell]')].some((cell) => cell.getAttribute('data-index') === '999999' && cell.querySelector('img')));
    const heap = await heapOf(page);
    assert.ok(most <= 600, `${most} elements`);
    assert.ok(heap <= 30e6, `${heap} bytes of heap`);
    assert.ok(requests.length < 60, `${requests.length} requests for columns while scrubbing past a million`);
    assert.deepEqual(wrong, []);
    console.log(`  p50 ${frames[60].toFixed(1)} ms, p95 ${frames[114].toFixed(1)} ms a frame; ${most} elements at most; heap ${(heap / 1e6).toFixed(1)} MB; ${requests.length} calls for columns`);
    await context.close();
  } finally { await million.stop(); }
});
