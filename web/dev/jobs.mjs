// Long work, as if: it goes on by itself, tells how far it is, and can be stopped.
let now = null;
let next = 1;
const tell = (world) => world.tell('job', now);

/** Begins long work of a kind that takes some steps; `report` says what it did. */
export function work({ world, fail }, kind, { task = kind, steps = 20, bytes = 0, report = {}, error = null, then = () => {} }) {
  if (now?.state === 'running') return fail(409, 'busy', 'something else is still being done', { hint: 'wait until it ends, or stop it' });
  const mine = now = { id: next++, kind, state: 'running', task: 'scan', done: 0, of: null, done_bytes: 0, of_bytes: null, problems: [], more_problems: 0, report: null, error: null };
  const step = () => {
    if (mine.state !== 'running') return;
    mine.task = task; mine.of = steps; mine.done++; mine.of_bytes = bytes || null; mine.done_bytes = Math.round((bytes * mine.done) / steps);
    if (error && mine.done > 1) Object.assign(mine, { state: 'failed', task: null, error });
    else if (mine.done >= steps) { Object.assign(mine, { state: 'done', task: null, report }); then(); }
    tell(world);
    if (mine.state === 'running') setTimeout(step, 120);
  };
  setTimeout(step, 300);
  return mine;
}

export const jobs = ({ call, method, world }) => {
  if (call === 'jobs') return { job: now };
  if (method === 'POST' && /^jobs\/\d+\/stop$/.test(call)) {
    if (now?.state === 'running') { Object.assign(now, { state: 'stopped', task: null }); tell(world); }
    return now;
  }
};
