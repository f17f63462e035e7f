// Last of all, as the server is gone after it.
import { visit } from './gallery.mjs';
import { test } from './steps.mjs';

test('a server that ends is noticed, and nothing looks as if it could be changed', async ({ page, serve }) => {
  await visit(page, '/');
  await page.waitForSelector('[role=gridcell]');
  await serve.stop();
  await page.getByRole('alert').filter({ hasText: 'does not answer' }).waitFor();
});
