//! `safelight gateway grants`: what was granted, read back and checked.

use std::collections::BTreeMap;

use clap::Args;
use safelight_gateway::{GrantRecord, read_grants};
use serde_json::json;

use super::gateway::Tokens;
use super::gateway_serve::At;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, printable_text, size};

/// The remote, and the token file that says whose signature counts.
#[derive(Debug, Args)]
pub(crate) struct Grants {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    tokens: Tokens,
}

pub(super) fn run(context: &Context, grants: &Grants) -> Result<(), Failure> {
    let file = grants.tokens.file(context)?;
    let (entries, key) = (file.list()?, file.verifying_key()?);
    let names: BTreeMap<String, String> = entries.into_iter().map(|entry| (entry.id, entry.name)).collect();
    let upstream = grants.at.upstream(context)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let found = runtime.block_on(read_grants(upstream, &key))?;
    let mut records: Vec<&GrantRecord> = found.blocks.iter().flat_map(|block| &block.grants).collect();
    records.sort_by(|one, other| one.at.cmp(&other.at));
    if context.output.json() {
        let problems = found.problems.iter();
        let problems: Vec<_> =
            problems.map(|problem| json!({ "object": problem.object, "reason": problem.reason })).collect();
        let answer = json!({ "gateway": key, "grants": records, "problems": problems });
        context.output.print_json(&answer)?;
    } else {
        for record in &records {
            let who = names.get(&record.token).map_or(record.token.as_str(), String::as_str);
            let bytes = record.bytes.map(|bytes| format!("  {}", size(bytes))).unwrap_or_default();
            let (at, who, object) = (&record.at, printable_text(who), printable_text(&record.object));
            context.output.data(&format!("{at}  {:<9}  {object}{bytes}  {who}", record.way))?;
        }
        context
            .output
            .talk(&format!("{}, signed by {key}", counted(records.len() as u64, "grant", "grants")));
        for problem in &found.problems {
            context.output.warn(&format!("{}: {}", printable_text(&problem.object), problem.reason));
        }
    }
    if found.problems.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Damaged, "what was granted is not all there as it was signed; it is named above"))
}
