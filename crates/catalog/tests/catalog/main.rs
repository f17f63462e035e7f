//! `catalog.db` as the library uses it.

mod common;
mod history;
mod search;
