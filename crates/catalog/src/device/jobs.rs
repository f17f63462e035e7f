//! The queue of renditions that are still to be made in the background.
//!
//! Invariant: a job leaves the queue only when it is done or dropped; one that fails comes back later, a few
//! times, and then stays visible with its reason.

use rusqlite::{OptionalExtension, Row};
use safelight_crypto::ContentHash;
use safelight_model::RenditionKind;

use super::DeviceDb;
use crate::error::Result;
use crate::rows::{hash_column, kind_code, kind_column};

/// After so many failures a job is given up (until it is queued again).
const MOST_ATTEMPTS: u32 = 4;
/// The wait after the first failure; it doubles with each.
const FIRST_WAIT_MILLIS: i64 = 60_000;

/// A rendition to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderJob {
    /// The original's content.
    pub content: ContentHash,
    /// What to make of it.
    pub kind: RenditionKind,
    /// By which recipe.
    pub recipe: u16,
    /// How often it failed so far.
    pub attempts: u32,
    /// Why it failed last.
    pub reason: Option<String>,
}

/// How the queue stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RenderQueue {
    /// Jobs that will still be tried.
    pub waiting_jobs: u64,
    /// Jobs that failed too often.
    pub given_up_jobs: u64,
}

fn read_job(row: &Row<'_>) -> rusqlite::Result<RenderJob> {
    Ok(RenderJob {
        content: hash_column(row, 0)?,
        kind: kind_column(row, 1)?,
        recipe: row.get(2)?,
        attempts: row.get(3)?,
        reason: row.get(4)?,
    })
}

impl DeviceDb {
    /// Queues renditions; higher `urgency` comes first. One that waits already is not queued twice, one that
    /// was given up gets a fresh start.
    ///
    /// # Errors
    /// Those of the database.
    pub fn queue_renditions(
        &mut self,
        jobs: impl IntoIterator<Item = (ContentHash, RenditionKind, u16)>,
        urgency: i32,
    ) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO render_jobs (content, kind, recipe, urgency) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (content, kind, recipe) DO UPDATE SET
                     urgency = max(urgency, excluded.urgency),
                     attempts = iif(given_up, 0, attempts), not_before = iif(given_up, 0, not_before),
                     given_up = 0",
            )?;
            for (content, kind, recipe) in jobs {
                statement.execute((content.as_bytes(), kind_code(kind), recipe, urgency))?;
            }
            Ok(())
        })
    }

    /// Looks at the next jobs that are due, without taking them off the queue.
    ///
    /// # Errors
    /// Those of the database.
    pub fn due_renditions(&self, now_millis: i64, limit: usize) -> Result<Vec<RenderJob>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT content, kind, recipe, attempts, reason FROM render_jobs
                     WHERE given_up = 0 AND not_before <= ?1 ORDER BY urgency DESC, id LIMIT ?2",
                )?
                .query_map((now_millis, limit), read_job)?
                .collect()
        })
    }

    /// Takes jobs off the queue that are done, or not wanted any more.
    ///
    /// # Errors
    /// Those of the database.
    pub fn finish_renditions(
        &mut self,
        jobs: impl IntoIterator<Item = (ContentHash, RenditionKind, u16)>,
    ) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction
                .prepare_cached("DELETE FROM render_jobs WHERE content = ?1 AND kind = ?2 AND recipe = ?3")?;
            for (content, kind, recipe) in jobs {
                statement.execute((content.as_bytes(), kind_code(kind), recipe))?;
            }
            Ok(())
        })
    }

    /// Records that a job failed; it comes back later, or is given up. Returns whether it is given up.
    ///
    /// # Errors
    /// Those of the database.
    pub fn fail_rendition(&mut self, job: &RenderJob, reason: &str, now_millis: i64) -> Result<bool> {
        self.write(|transaction| {
            let given_up: Option<bool> = transaction
                .prepare_cached(
                    "UPDATE render_jobs SET attempts = attempts + 1, reason = ?4,
                         given_up = attempts + 1 >= ?5, not_before = ?6 + (?7 << attempts)
                     WHERE content = ?1 AND kind = ?2 AND recipe = ?3 RETURNING given_up",
                )?
                .query_row(
                    (
                        job.content.as_bytes(),
                        kind_code(job.kind),
                        job.recipe,
                        reason,
                        MOST_ATTEMPTS,
                        now_millis,
                        FIRST_WAIT_MILLIS,
                    ),
                    |row| row.get(0),
                )
                .optional()?;
            Ok(given_up.unwrap_or(true))
        })
    }

    /// Makes every job that failed due at once, with one attempt left for those that were given up.
    ///
    /// # Errors
    /// Those of the database.
    pub fn retry_renditions(&mut self) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "UPDATE render_jobs SET attempts = min(attempts, ?1), not_before = 0, given_up = 0
                     WHERE attempts > 0",
                )?
                .execute([MOST_ATTEMPTS - 1])?;
            Ok(())
        })
    }

    /// Counts the jobs.
    ///
    /// # Errors
    /// Those of the database.
    pub fn render_queue(&self) -> Result<RenderQueue> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT count(*) FILTER (WHERE given_up = 0), count(*) FILTER (WHERE given_up = 1)
                     FROM render_jobs",
                )?
                .query_row([], |row| {
                    Ok(RenderQueue { waiting_jobs: row.get(0)?, given_up_jobs: row.get(1)? })
                })
        })
    }

    /// Lists jobs that were given up.
    ///
    /// # Errors
    /// Those of the database.
    pub fn given_up_renditions(&self, limit: usize) -> Result<Vec<RenderJob>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT content, kind, recipe, attempts, reason FROM render_jobs
                     WHERE given_up = 1 ORDER BY id LIMIT ?1",
                )?
                .query_map([limit], read_job)?
                .collect()
        })
    }
}
