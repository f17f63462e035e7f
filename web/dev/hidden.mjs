// Hidden photos: told of only after the passphrase was typed once more.
export const PASSPHRASE = 'a lamp for the darkroom';
let open = false;
export const isOpen = () => open;
export const shut = () => { open = false; };

export const hidden = ({ call, body, fail, world }) => {
  if (call !== 'hidden/open' && call !== 'hidden/close') return;
  if (call === 'hidden/open' && body.passphrase !== PASSPHRASE) return fail(403, 'wrong-passphrase', 'that passphrase does not open the library', { hint: 'check the layout of the keyboard, then try again' });
  open = call === 'hidden/open';
  world.tell('hidden', { open });
  return open ? { open, idle_seconds: 300 } : { open };
};
