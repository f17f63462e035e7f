//! What the model promises, as a user of the crate sees it: one file for each kind of promise.
#![cfg(test)]

mod common;
mod cost;
mod encoding;
mod golden;
mod history;
mod laws;
mod views;
