// Videos that the browser does not play as they are: made anew while they are watched.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Library, open, visit } from './gallery.mjs';
import { heard, mocked, said, test, violations } from './steps.mjs';

/** Opens one video alone; answers what was asked of it. */
async function opened(page, name) {
  const asked = [];
  page.on('request', (request) => { if (request.url().includes('/v/')) asked.push(new URL(request.url()).searchParams.get('from')); });
  await visit(page, `/?q=${encodeURIComponent(`name:${name}`)}`);
  await page.locator('[role=gridcell]').first().click();
  await page.locator('dialog[open]').getByRole('button', { name: 'Play', exact: true }).waitFor();
  return asked;
}
const film = (page) => page.locator('dialog video').evaluate((video) => ({ at: video.currentTime, width: video.videoWidth, length: video.duration, paused: video.paused, error: video.error?.message ?? null, ready: video.readyState }));
const plays = (page, from, until = Infinity) => page.waitForFunction(([least, most]) => {
  const video = document.querySelector('dialog video');
  return video && video.videoWidth > 0 && video.readyState >= 3 && video.currentTime > least && video.currentTime < most;
}, [from, until]);

test('a video that the browser cannot play is played through a conversion, from wherever one goes', async ({ page, wrong, pictures, film: drawn }) => {
  if (mocked || !drawn) return;
  const asked = await opened(page, 'CONVERTED_HEVC.mp4');
  const video = page.locator('dialog video');
  assert.match(await video.getAttribute('poster'), /\/p\//, 'its poster is shown');
  assert.deepEqual(asked, [], 'nothing is made before somebody wants to see it');
  assert.match(await page.locator('dialog').innerText(), /cannot play it as it is/);
  assert.deepEqual(await violations(page), []);
  await pictures('video-before');
  // By keys alone.
  await page.locator('.stage').focus();
  for (let step = 0; step < 4 && !(await page.evaluate(() => document.activeElement?.classList.contains('begin'))); step++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await heard(page, /Being converted/);
  await plays(page, 0.5);
  const begun = await film(page);
  assert.equal(begun.width, 320);
  assert.ok(Math.abs(begun.length - 60) < 1, `the whole length is known: ${begun.length}`);
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'VIDEO', 'the focus is on the player');
  assert.match(await page.locator('dialog').innerText(), /Played through a conversion/);
  await pictures('video-playing');
  assert.deepEqual(await violations(page), []);

  // Arrows go on in it, and not to the next photo; from what is not there yet it is made anew.
  const title = await page.locator('dialog h2').first().textContent();
  const before = (await film(page)).at;
  await page.keyboard.press('ArrowRight');
  const after = (await film(page)).at;
  assert.ok(after > before + 4.5, `${before} to ${after}`);
  await heard(page, /0:\d\d of 1:00/);
  assert.equal(await page.locator('dialog h2').first().textContent(), title);
  await video.evaluate((element) => { element.currentTime = 50; });
  await plays(page, 50.2, 59);
  assert.ok(asked.some((from) => Number(from) >= 48 && Number(from) <= 50), `asked from ${asked}`);
  // And back to where it was.
  await video.evaluate((element) => { element.currentTime = 2; });
  await plays(page, 2.2, 20);
  // To its end.
  await video.evaluate((element) => { element.currentTime = 58; });
  await page.waitForFunction(() => document.querySelector('dialog video').ended);
  assert.equal((await film(page)).error, null);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  assert.deepEqual(wrong, []);
});

test('a video of which only the sound lacks is played without it where it cannot be converted', async ({ page, wrong, pictures, film: drawn }) => {
  if (mocked || !drawn) return;
  const name = 'CONVERTED_MUTE.mp4';
  await opened(page, name);
  await page.locator('dialog').getByRole('button', { name: 'Play', exact: true }).click();
  await plays(page, 0.3);
  assert.match(await page.locator('dialog video').getAttribute('src'), /^blob:/, 'with its sound, converted');
  // As a server answers that finds no ffmpeg.
  const without = { error: { code: 'no-ffmpeg', message: `${name} can be played only through a conversion, and there is no ffmpeg on this computer`, hint: 'install it', why: { code: 'no-ffmpeg', values: { name } } } };
  await page.route('**/v/*', (route) => route.fulfill({ status: 501, json: without }));
  try {
    await opened(page, name);
    await page.locator('dialog').getByRole('button', { name: 'Play', exact: true }).click();
    await heard(page, /without its sound/);
    await page.locator('dialog video[src*="/o/"]').waitFor();
    assert.match(await page.locator('dialog').innerText(), /without its sound.*no ffmpeg on this computer\. Install it/);
    await page.locator('dialog video').evaluate((element) => element.play());
    await plays(page, 0.3);
    assert.equal((await film(page)).width, 320);
    assert.deepEqual(await violations(page), []);
    await pictures('video-silent');
  } finally { await page.unroute('**/v/*'); }
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  assert.deepEqual(wrong.filter((line) => !/501/.test(line)), []);
});

test('a video of which the browser plays the sound alone is converted, too', async ({ page, wrong, film: drawn }) => {
  if (mocked || !drawn) return;
  await opened(page, 'CONVERTED_OLD.mp4');
  await page.locator('dialog').getByRole('button', { name: 'Play', exact: true }).click();
  await plays(page, 0.3);
  assert.equal((await film(page)).width, 320);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  assert.deepEqual(wrong, [], await said(page));
});

test('Space plays and stops a video as soon as the viewer shows it', async ({ page, wrong, film: drawn }) => {
  if (mocked || !drawn) return;
  await opened(page, 'CONVERTED_HEVC.mp4');
  assert.ok(await page.evaluate(() => document.activeElement?.classList.contains('stage')), 'nobody pressed Tab');
  await page.keyboard.press('Space');
  await plays(page, 0.1);
  await page.locator('.stage').focus();
  await page.keyboard.press('Space');
  await page.waitForFunction(() => document.querySelector('dialog video').paused);
  await page.keyboard.press('Space');
  await page.waitForFunction(() => !document.querySelector('dialog video').paused);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  assert.deepEqual(wrong, []);
});

/** Turns a bit in the middle of a sealed original. */
function damage(own, name) {
  const [part] = JSON.parse(own.run('--json', 'show', name)).parts;
  const path = join(own.path, 'objects', part);
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] ^= 1;
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
}

test('of a damaged original no part is kept, and a damaged video is not offered to be made anew: the page says what it is', async ({ browser, film: drawn }) => {
  if (mocked || !drawn) return;
  const own = new Library();
  try {
    own.make(null, (folder) => {
      const noise = ['-f', 'lavfi', '-i', 'nullsrc=s=320x240:r=24,geq=random(1)*255:128:128', '-t', '4'];
      const filmed = spawnSync('ffmpeg', ['-v', 'error', '-y', ...noise, '-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-qp', '10', '-movflags', '+faststart', join(folder, 'DAMAGED.mp4')]);
      assert.equal(filmed.status, 0, String(filmed.stderr));
      spawnSync('ffmpeg', ['-v', 'error', '-y', ...noise.slice(0, 3), noise[3].replace('320x240', '1200x900'), '-frames:v', '1', join(folder, 'DAMAGED.png')]);
    });
    for (const name of ['DAMAGED.mp4', 'DAMAGED.png']) damage(own, name);
    const serve = own.serve();
    const { page, context } = await open(browser, await serve.address);
    const kept = [];
    page.on('download', (file) => { kept.push(file.suggestedFilename()); void file.cancel(); });
    const dialog = page.locator('dialog[open]');
    await visit(page, '/?q=name%3ADAMAGED.png');
    await page.locator('[role=gridcell]').first().click();
    await dialog.getByRole('link', { name: 'Download the original' }).first().click();
    await heard(page, /damaged/);
    assert.deepEqual(kept, []);
    await page.keyboard.press('Escape');
    await visit(page, '/?q=name%3ADAMAGED.mp4');
    await page.locator('[role=gridcell]').first().click();
    await page.locator('dialog video').evaluate((video) => video.play().catch(() => {}));
    await dialog.locator('.nothing').getByText(/DAMAGED.* on this device is damaged/).waitFor();
    assert.equal(await dialog.getByRole('button', { name: 'Play', exact: true }).count(), 0);
    assert.deepEqual(await violations(page), []);
    await context.close();
    await serve.stop();
  } finally { own.remove(); }
});
