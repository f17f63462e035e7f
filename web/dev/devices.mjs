// Stand-in devices: one of each standing, and an invitation whose device has come when it is asked a few times.
const device = (id, name, more) => ({ id: id.repeat(4), name, is_this: false, standing: 'active', upload_only: false, segments: 12, last_active: '2026-11-20 18:02:11', ...more });
const DEVICES = [
  device('3k7qnd2a', 'Desk', { is_this: true, segments: 412 }), device('9be1c07a', 'Kitchen tablet'), device('24w4zu3x', null, { segments: 1 }),
  device('77aqx0me', 'Old laptop', { standing: 'lapsed', last_active: '2026-05-02 08:10:00' }), device('p0c4kkzs', 'Lost phone', { standing: 'revoked' }), device('h2m9w1vd', 'Camera computer', { standing: 'retired', last_active: null }),
];
let asked = -1;
const invitation = () => {
  if (asked < 0) return { invitation: null, can_lend: true };
  asked++;
  const empty = { words: null, says: null, picture: [], address: null, lan: [], lan_announced: false, lan_trouble: null, near_tries_left: null, waits: false, seconds_left: 0, tries_left: null, other: null, six_words: null, device: null, error: null };
  if (asked > 8) return { invitation: { ...empty, stage: 'comparing', other: 'New phone', six_words: 'frost suit portion toast unit present' }, can_lend: false };
  const picture = Array.from({ length: 37 }, (_, row) => Array.from({ length: 37 }, (_, at) => ((row * 7 + at * 3 + row * at) % 5 < 2 ? '1' : '0')).join(''));
  return { invitation: { ...empty, stage: 'waiting', words: 'mosquito brisk absent scrub work ice beef stamp', says: 'safelight-pair 1 …', picture, address: 'folder:/mnt/nas/photos', lan: ['lan:192.168.1.5:41234'], lan_announced: true, seconds_left: 600 - asked, tries_left: asked > 4 ? 2 : null }, can_lend: false };
};

export const devices = ({ call, method, body }) => {
  if (call === 'devices') return DEVICES;
  if (call === 'devices/invite' && method === 'POST') asked = 0;
  if (call === 'devices/invite' && method === 'DELETE') asked = -1;
  if (call === 'devices/invite') return invitation();
  if (call === 'devices/invite/compared') { asked = -1; return { invitation: { ...invitation(), stage: 'done', picture: [], seconds_left: 0, device: { device: 'x'.repeat(26), name: 'New phone', epochs: 1, keys_file_bytes: 1_500, heard: true } }, can_lend: false }; }
  const [, id, leaves] = /^devices\/([^/]+)(\/leave)?$/.exec(call) ?? [];
  const one = DEVICES.find((each) => each.id === id);
  if (one && method === 'PATCH') { one.name = body.name || null; return one; }
  if (!one || !leaves) return undefined;
  if (body.consent) one.standing = body.how === 'revoke' ? 'revoked' : 'retired';
  const said = (reason, remote = null) => ({ reason, remote, why: null });
  return {
    done: body.consent ?? false, device: one, last_segment: one.segments, epoch: null, still_readable: 41_203, still_sealing: [], storage: [{ remote: 'nas', address: 'folder:/mnt/nas/photos', next: '' }],
    told: [said(`${one.name ?? one.id} ${body.consent ? 'is not' : 'would not be'} trusted any more. Of its history, parts 1 to ${one.segments} count.`), said('What is sealed from now on it cannot open. What was there until now it still can, where it has it or reaches it: 41203 photos and videos, and their history.'), said('unshare the folder with it, or take the drive', 'nas')],
  };
};
