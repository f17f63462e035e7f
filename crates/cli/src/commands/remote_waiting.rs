//! `safelight remote waiting`: what is not in a remote, and why.

use safelight_library::WaitingGroup;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{counted, printable_text, size};

pub(super) fn run(context: &Context, name: &str) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    let groups = library.waiting_at(name);
    library.close()?;
    let groups = groups?;
    if context.output.json() {
        return Ok(context.output.print_json(&groups)?);
    }
    for group in &groups {
        context.output.data(&line(group))?;
        let named: Vec<String> = group.examples.iter().map(|photo| printable_text(&photo.name)).collect();
        if !named.is_empty() {
            let others = if group.originals > named.len() as u64 { ", …" } else { "" };
            context.output.data(&format!("{:>10}  {}{others}", "", named.join(", ")))?;
        }
    }
    if groups.is_empty() {
        context.output.talk(&format!("Nothing waits for {}.", printable_text(name)));
    }
    Ok(())
}

/// `    failed  3 originals (12 MB): nas could not be reached; tried again 2026-05-14T10:11:12Z`
fn line(group: &WaitingGroup) -> String {
    let originals = counted(group.originals, "original", "originals");
    let mut line = format!("{:>10}  {originals} ({})", group.state, size(group.bytes));
    if !group.reason.is_empty() {
        line.push_str(&format!(": {}", printable_text(&group.reason)));
    }
    let next = group.next_try_millis.and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    if let Some(next) = next {
        line.push_str(&format!("; tried again {}", next.strftime("%Y-%m-%dT%H:%M:%SZ")));
    }
    line
}
