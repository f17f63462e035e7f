// The first run: where there is no library the gallery makes or joins one, brings photos in and connects a place.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Library, open, standIn } from './gallery.mjs';
import { mocked, test, violations } from './steps.mjs';

const PHRASE = 'three lamps under a slow river';

/** A machine without a library: its own home, and a folder of pictures. */
function newcomer() {
  const library = new Library();
  const pictures = join(library.folder, 'home', 'Pictures');
  mkdirSync(join(pictures, 'more'), { recursive: true });
  if (process.env.SAFELIGHT_CORPUS) cpSync(process.env.SAFELIGHT_CORPUS, join(pictures, 'more'), { recursive: true });
  const drawn = spawnSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=640x480:rate=5', '-t', '4', join(pictures, 'drawn-%02d.jpg')]);
  assert.equal(drawn.status, 0, 'ffmpeg draws the pictures');
  const home = join(library.folder, 'home');
  return { library, pictures, serve: () => library.serve({ HOME: home, SAFELIGHT_PASSPHRASE_FILE: undefined }) };
}
const heading = (page, name) => page.getByRole('heading', { name, exact: true }).waitFor();
/** Presses Tab until something with this name has the focus. */
async function tabTo(page, name) {
  for (let step = 0; step < 60; step++) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => { const one = document.activeElement; return one?.getAttribute('aria-label') ?? one?.labels?.[0]?.textContent ?? one?.textContent ?? ''; });
    if (at.trim().startsWith(name)) return;
  }
  assert.fail(`Tab leads to “${name}”`);
}

test('where there is no library the gallery makes one, by keys alone, and brings photos in', async ({ browser, pictures }) => {
  const made = mocked ? null : newcomer();
  const served = made ? made.serve() : standIn(40, { SAFELIGHT_FIRST: '1' });
  try {
    const { page, wrong, context } = await open(browser, await served.address);
    const look = async (name) => {
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        assert.deepEqual(await violations(page), [], `${name}, ${colorScheme}`);
        await pictures(`first-${name}-${colorScheme}`, page);
      }
    };
    await heading(page, 'Welcome');
    await look('choose');
    // Left from steps that broke off before there was a library: they begin anew.
    await page.evaluate(() => sessionStorage.setItem('safelight-first', 'photos'));
    await page.reload();
    await heading(page, 'Welcome');
    await page.waitForFunction(() => sessionStorage.getItem('safelight-first') === null);
    await tabTo(page, 'Make a new library');
    await page.keyboard.press('Enter');
    await heading(page, 'Choose a passphrase');

    // Too short is refused, weak is said, the two must be the same.
    const go = page.getByRole('button', { name: 'Go on' });
    await page.keyboard.type('short');
    await page.getByRole('meter').waitFor();
    await page.waitForFunction(() => document.querySelector('.strength .bad'));
    assert.ok(await go.isDisabled());
    await page.getByLabel('Passphrase', { exact: true }).fill(PHRASE);
    await page.waitForFunction(() => Number(document.querySelector('[role=meter]').getAttribute('aria-valuenow')) >= 3);
    await page.getByLabel('Once more').fill(`${PHRASE}!`);
    await page.getByRole('alert').filter({ hasText: 'not the same' }).waitFor();
    assert.ok(await go.isDisabled());
    await page.getByLabel('Once more').fill(PHRASE);
    await look('passphrase');
    await page.keyboard.press('Enter');

    await heading(page, 'Write down these 24 words');
    const words = await page.locator('.words strong').allTextContents();
    assert.equal(words.length, 24);
    await look('words');
    // Who goes back finds the words that were written down, not others.
    await page.getByRole('button', { name: 'Back', exact: true }).click();
    await heading(page, 'Choose a passphrase');
    await page.getByLabel('Passphrase', { exact: true }).fill(PHRASE);
    await page.getByLabel('Once more').fill(PHRASE);
    await page.getByRole('button', { name: 'Go on' }).click();
    await heading(page, 'Write down these 24 words');
    assert.deepEqual(await page.locator('.words strong').allTextContents(), words);
    await tabTo(page, 'I have written them down');
    await page.keyboard.press('Enter');
    await heading(page, 'Three of them, from your paper');
    assert.equal(await page.locator('.words').count(), 0, 'they are not on the page any more');
    const fields = page.locator('form input');
    const asked = await page.locator('form label').allTextContents();
    for (let at = 0; at < asked.length; at++) await fields.nth(at).fill(at === 1 ? 'nonsense' : words[Number(/\d+/.exec(asked[at])[0]) - 1]);
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'not what was shown' }).waitFor();
    assert.equal(await fields.nth(1).getAttribute('aria-invalid'), 'true');
    assert.ok(await fields.nth(1).evaluate((field) => field === document.activeElement), 'the focus is where it can be put right');
    await look('ask');
    await fields.nth(1).fill(words[Number(/\d+/.exec(asked[1])[0]) - 1]);
    await page.getByRole('button', { name: 'Make the library' }).or(page.locator('form button[type=submit]')).first().focus();
    await page.keyboard.press('Enter');
    const stands = () => page.evaluate(() => document.activeElement !== document.body && document.activeElement !== null);
    await page.waitForTimeout(400);
    assert.ok(await stands(), 'the focus is not lost while the library is made');

    // Point at a folder, by what may follow.
    await heading(page, 'Bring in photos');
    const folder = made ? made.pictures : '/home/me/Pictures';
    const own = await page.evaluate(async () => (await (await fetch('/api/v1/status', { headers: { 'x-safelight': sessionStorage.getItem('safelight-secret') } })).json()).library.path);
    await page.getByLabel('Folder on this machine').fill(`${own}/`);
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'the folder of the library itself' }).waitFor();
    await page.getByLabel('Folder on this machine').fill('');
    assert.equal(await page.getByRole('alert').filter({ hasText: /./ }).count(), 0, 'what was said of another folder does not stay');
    await tabTo(page, 'Folder on this machine');
    await page.keyboard.type(folder.slice(0, -3));
    await page.getByRole('option', { name: folder, exact: true }).waitFor();
    await look('folders');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForFunction((path) => document.querySelector('[role=combobox]').value === `${path}/`, folder);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    await page.getByRole('list', { name: 'Folders to import' }).getByText(folder, { exact: true }).waitFor();
    await tabTo(page, 'Import');
    await page.keyboard.press('Enter');

    // Stopped in the middle it keeps what is here, and goes on from there.
    await page.getByRole('progressbar').waitFor();
    await page.waitForTimeout(200);
    assert.ok(await stands(), 'the focus is not lost when the import begins');
    await page.waitForFunction(() => Number(/^(\d+)/.exec(document.querySelector('.job .soft')?.textContent ?? '')?.[1] ?? 0) > 2);
    await pictures('first-importing', page);
    await page.getByRole('button', { name: 'Stop' }).click();
    await heading(page, 'Stopped');
    await page.getByText('What is here stays').waitFor();
    await page.getByLabel('Folder on this machine').fill(folder);
    await page.getByRole('button', { name: 'Import', exact: true }).click();
    await page.getByRole('heading', { name: 'Imported', exact: true }).waitFor({ timeout: 240_000 });
    await look('imported');
    await page.getByRole('button', { name: 'Go on' }).click();

    // Nothing leaves this device unless somebody says so; here somebody does.
    await heading(page, 'A second place?');
    await page.getByText('everything stays on this device alone').waitFor();
    await page.reload();
    await heading(page, 'A second place?');
    await page.getByText('Connect a disk, a NAS or a cloud now').click();
    const place = made ? join(made.library.folder, 'disk') : '/media/card/DCIM';
    if (made) mkdirSync(place);
    await page.getByLabel('Folder, on a disk').fill(place);
    await page.getByLabel('What you call it').fill('disk');
    await look('second');
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await heading(page, 'disk is connected');
    await page.getByRole('button', { name: 'Send photos there now' }).click();
    await page.getByText('Everything that is meant to go there is there').waitFor({ timeout: 240_000 });
    await look('connected');
    await page.getByRole('button', { name: 'Open the gallery' }).click();
    await page.waitForSelector('[role=gridcell] img');

    // What is secret stays nowhere that it should not.
    const kept = await page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, location.href, document.documentElement.outerHTML]));
    for (const secret of [PHRASE, words.join(' '), words.slice(0, 3).join(' ')]) {
      assert.ok(!kept.includes(secret), 'the page has forgotten it');
      if (made) assert.ok(!served.heard().includes(secret), 'the server has not said it');
    }
    assert.deepEqual(wrong, []);
    await context.close();
    if (made) await joins(browser, pictures, place, words);
  } finally {
    await served.stop();
    made?.library.remove();
  }
});

/** Another machine joins what the first one has sent to a disk. */
async function joins(browser, pictures, place, words) {
  const other = newcomer();
  const served = other.serve();
  try {
    const { page, wrong, context } = await open(browser, await served.address);
    await page.getByRole('button', { name: /Join a library/ }).click();
    await heading(page, 'Where it rests');
    await page.getByLabel('Folder, on a disk').fill(place);
    const typed = page.getByLabel('The 24 recovery words');
    await typed.fill([...words.slice(1), words[0]].join(' '));
    assert.deepEqual(await violations(page), []);
    await pictures('first-join', page);
    const onward = async () => {
      await page.getByRole('button', { name: 'Go on' }).click();
      await page.getByLabel('Passphrase', { exact: true }).fill(PHRASE);
      await page.getByLabel('Once more').fill(PHRASE);
      // Before the passphrase was judged: it goes on when it is.
      await page.keyboard.press('Enter');
    };
    // Words that cannot be right are refused before a passphrase is asked for.
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('alert').filter({ hasText: /recovery words/i }).waitFor();
    await heading(page, 'Where it rests');
    assert.equal(await page.getByLabel('Once more').count(), 0);
    await typed.fill(words.join(' ').toUpperCase());
    await onward();
    await heading(page, 'Joining');
    await page.getByText('belongs to the library now').waitFor({ timeout: 120_000 });
    assert.deepEqual(await violations(page), []);
    await page.getByRole('button', { name: 'Open the gallery' }).click();
    await page.waitForSelector('[role=gridcell] img');
    assert.deepEqual(wrong, []);
    await context.close();
  } finally {
    await served.stop();
    other.library.remove();
  }
}
