//! Schema changes, numbered and forward only.
//!
//! Invariant: a database is always at exactly one numbered schema; each step runs in one transaction with
//! the number it leads to, so a kill leaves the old schema or the new one. A database of a later schema is
//! refused before anything in it is read.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{CatalogError, Result};

/// The statements that lead from one schema to the next; the step at index `n` makes schema `n + 1`.
pub(crate) type Steps = &'static [&'static str];

/// Brings a database to the newest schema.
///
/// Two processes may do this at once: the number is read again inside `BEGIN IMMEDIATE`.
pub(crate) fn migrate(connection: &mut Connection, path: &Path, steps: Steps) -> Result<()> {
    while refuse_newer(connection, path, steps)? < steps.len() {
        advance(connection, path, steps)?;
    }
    Ok(())
}

/// Takes the next step, if another process has not taken it meanwhile.
fn advance(connection: &mut Connection, path: &Path, steps: Steps) -> Result<()> {
    let sqlite = |source| CatalogError::from_sqlite(path, source);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
    let reached = refuse_newer(&transaction, path, steps)?;
    if let Some(step) = steps.get(reached) {
        transaction.execute_batch(step).map_err(sqlite)?;
        transaction.pragma_update(None, "user_version", reached + 1).map_err(sqlite)?;
    }
    transaction.commit().map_err(sqlite)
}

/// Refuses a schema that a later program wrote, and tells how many steps were taken.
pub(crate) fn refuse_newer(connection: &Connection, path: &Path, steps: Steps) -> Result<usize> {
    let found = schema_number(connection).map_err(|source| CatalogError::from_sqlite(path, source))?;
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(CatalogError::NewerSchema { path: path.to_path_buf(), found, known });
    }
    Ok(found as usize)
}

/// Requires the newest schema; used where nothing may be written.
pub(crate) fn require_known(connection: &Connection, path: &Path, steps: Steps) -> Result<()> {
    if refuse_newer(connection, path, steps)? < steps.len() {
        return Err(CatalogError::ReadOnly { path: path.to_path_buf() });
    }
    Ok(())
}

fn schema_number(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE one (a INTEGER)";
    const BROKEN: &str = "CREATE TABLE two (a INTEGER); INSERT INTO nowhere VALUES (1)";
    const SECOND: &str = "ALTER TABLE one ADD COLUMN b INTEGER DEFAULT 5";

    #[test]
    fn steps_are_taken_once_and_in_order() {
        let mut connection = Connection::open_in_memory().unwrap();
        let path = Path::new("test.db");
        migrate(&mut connection, path, &[FIRST]).unwrap();
        connection.execute_batch("INSERT INTO one VALUES (1)").unwrap();
        migrate(&mut connection, path, &[FIRST, SECOND]).unwrap();
        migrate(&mut connection, path, &[FIRST, SECOND]).unwrap();
        let row: (i64, i64) =
            connection.query_row("SELECT a, b FROM one", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(row, (1, 5));
        assert_eq!(schema_number(&connection).unwrap(), 2);
    }

    #[test]
    fn a_step_that_fails_leaves_the_schema_before_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        let path = Path::new("test.db");
        assert!(migrate(&mut connection, path, &[FIRST, BROKEN]).is_err());
        assert_eq!(schema_number(&connection).unwrap(), 1);
        assert!(connection.prepare("SELECT a FROM two").is_err());
    }

    #[test]
    fn a_later_schema_is_refused_with_both_numbers() {
        let mut connection = Connection::open_in_memory().unwrap();
        let path = Path::new("test.db");
        migrate(&mut connection, path, &[FIRST, SECOND]).unwrap();
        for error in [migrate(&mut connection, path, &[FIRST]), require_known(&connection, path, &[FIRST])] {
            let error = error.unwrap_err();
            assert!(matches!(error, CatalogError::NewerSchema { found: 2, known: 1, .. }), "{error}");
            assert!(error.to_string().contains("a newer version of Safelight"));
        }
    }
}
