// Switches of photos and albums, for two remotes: one that takes everything and one that takes what is chosen.
const own = { nas: new Map(), cloud: new Map() };
const ofAlbum = { nas: new Map(), cloud: new Map() };
const POLICY = { nas: 'full', cloud: 'selective' };
const EXPOSE = { nas: null, cloud: 200 };
let taken = null;

const idsOf = (body, world) => (body.items ? body.items : body.switch_album ? Array.from({ length: 240 }, (_, n) => (n + 7).toString(16).padStart(12, '0')) : Array.from({ length: world.total }, (_, n) => n.toString(16).padStart(12, '0')));
const decides = (remote, id) => own[remote].get(id) ?? (POLICY[remote] === 'full' ? 'on' : 'off');

function standing(remote, body, world) {
  const ids = idsOf(body, world);
  const count = { on: 0, off: 0, auto: 0 };
  for (const id of ids) count[own[remote].get(id) ?? 'auto']++;
  const ofIt = body.switch_album ? (ofAlbum[remote].get(body.switch_album) ?? 'auto') : null;
  const goes = ofIt && ofIt !== 'auto' ? (ofIt === 'on' ? ids.length : 0) : ids.filter((id) => decides(remote, id) === 'on').length;
  const kinds = Object.keys(count).filter((kind) => count[kind] > 0);
  return { remote, policy: POLICY[remote], photos: ids.length, ...count, goes, stays: ids.length - goes, there: Math.floor(goes * 0.8), waiting: goes - Math.floor(goes * 0.8), failed: 0,
    switch: ofIt ?? (kinds.length > 1 ? 'mixed' : (kinds[0] ?? 'auto')), because: ofIt ? (ofIt === 'auto' ? 'policy' : 'album') : kinds.length > 1 ? 'mixed' : kinds[0] === 'auto' ? 'policy' : 'photo', because_album: ofIt && ofIt !== 'auto' ? 'Trips/Iceland' : null, expose: EXPOSE[remote] };
}

export const sync = ({ call, body, world }) => {
  if (call === 'sync/look') return { remotes: Object.keys(own).map((remote) => standing(remote, body, world)) };
  if (call === 'undo' && body.undo === 'switch') { if (taken) taken(); return { revision: world.revise(), changed: 1, undo: null }; }
  if (call !== 'sync/switch') return undefined;
  const ids = idsOf(body, world);
  const { remote, turn } = body;
  const fresh = turn === 'on' ? ids.filter((id) => decides(remote, id) === 'off').length : 0;
  if (EXPOSE[remote] !== null && fresh > EXPOSE[remote] && !body.consent) return { asks: { code: 'needs-consent', message: `${fresh} originals would newly go to ${remote}`, exposes: { remote, originals: fresh, bytes: fresh * 4_200_000, most: EXPOSE[remote] } } };
  const before = new Map(own[remote]);
  const beforeAlbums = new Map(ofAlbum[remote]);
  taken = () => { own[remote] = before; ofAlbum[remote] = beforeAlbums; };
  if (body.switch_album) ofAlbum[remote].set(body.switch_album, turn);
  else for (const id of ids) if (turn === 'auto') own[remote].delete(id); else own[remote].set(id, turn);
  return { revision: world.revise(), undo: 'switch', changed: ids.length, remote, policy: POLICY[remote], newly_exposed: fresh, newly_exposed_bytes: fresh * 4_200_000, waiting_originals: fresh };
};
