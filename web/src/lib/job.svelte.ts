// The long work that the server does at the moment, or did last: an import, a sync, asking an archive. One at a time.
import { get, post } from './api';
import type { Why } from './reasons';
import { onNews, onShut, stillOpen } from './session.svelte';

export interface JobProblem { path: string; reason: string; why?: Why | null; weight: 'notice' | 'omission' | 'failure' }
export interface Job {
  id: number;
  kind: 'sync' | 'thaw' | 'free' | 'import' | 'connect' | 'join' | 'forget';
  state: 'running' | 'done' | 'failed' | 'stopped';
  /** What it does just now. */
  task: string | null;
  done: number; of: number | null; done_bytes: number; of_bytes: number | null;
  problems: JobProblem[]; more_problems: number;
  /** When it ended; what is in it depends on the kind. */
  report: Record<string, unknown> | null;
  error: JobError | null;
}
export interface JobError { code: string; message: string; hint?: string | null; why?: Why | null; space?: { bytes: number; free_bytes: number } }

export const job = $state<{ now: Job | null }>({ now: null });

// News of one that ended may come after those of the next.
const saw = (news: Job | null): void => { if (!news || !job.now || news.id >= job.now.id) job.now = news; };
// Events tell how far it is; what it came to is asked for, so that it is told as far as it may be just now.
onNews('job', (data) => {
  const news = data as Job;
  if (news.state === 'running') saw(news);
  else lookAtJob().catch(() => saw(news));
});
// Its problems and its report name photos.
onShut(() => { job.now = null; });

export const running = (): boolean => job.now?.state === 'running';

/** Asks how it stands; what happens from then on is told. */
export async function lookAtJob(): Promise<void> {
  const still = stillOpen();
  const found = (await get<{ job: Job | null }>('jobs')).job;
  if (still()) saw(found);
}

/** Begins one; refused while another runs. */
export async function beginJob(path: string, body: unknown): Promise<Job> {
  const begun = await post<Job>(path, body);
  saw(begun);
  return begun;
}

/** Stops it at the next point from which it can go on. */
export async function stopJob(): Promise<void> {
  if (job.now && running()) saw(await post<Job>(`jobs/${job.now.id}/stop`));
}
