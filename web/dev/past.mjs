// Stand-in for what was: snapshots and changes, and the ways to unlock.
const SNAPSHOTS = ['Before the move', 'daily 2026-11-27', 'daily 2026-11-26'].map((name, at) => ({ name, made: `2026-11-2${8 - at} 08:00:00`, scheduled: at > 0, is_here: at < 2 }));
const WHAT = ['added 2024/IMG_1003.jpg', 'caption = At the harbour', 'put into the trash', 'let a device in', 'an original went to nas'];
const CHANGES = Array.from({ length: 240 }, (_, at) => ({ id: `op${at}`, when: `2026-11-${String(28 - (at % 28)).padStart(2, '0')} 10:00:00`, device: '3k7qnd2a'.repeat(4), device_name: at % 3 ? 'Desk' : null, what: WHAT[at % WHAT.length], why: null }));
let keys = [['passphrase', 'passphrase'], ['recovery', 'recovery words'], ['tpm', 'this computer']].map(([kind, label], at) => ({ id: `slot${at}`, kind, label }));

export const past = ({ call, method, body }) => {
  if (call === 'snapshots') return method === 'POST' ? SNAPSHOTS[0] : { snapshots: SNAPSHOTS, schedule: { weekly: false, keep: { days: 7, weeks: 4, months: 12 } } };
  if (call === 'history') return CHANGES.slice(0, 101);
  if (call === 'passkeys') return [];
  if (call === 'keys' && method === 'POST') keys = [...keys, { id: `slot${keys.length}`, kind: 'passphrase', label: body.label || 'passphrase' }];
  if (call === 'keys') return method === 'POST' ? keys.at(-1) : keys;
  if (call === 'recovery/test') return {};
  return undefined;
};
