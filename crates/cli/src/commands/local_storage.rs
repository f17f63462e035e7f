//! `safelight local storage`: what takes space on this device, and what could be freed.

use safelight_library::{Among, FreePlan, FreeRequest, Library, LibraryError, Storage};
use serde::Serialize;

use super::local::{sized, tell_plan};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{counted, printable, size};

/// What takes space, and what could be freed of it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    storage: Storage,
    /// None where there is no remote, or none that answers.
    free: Option<FreePlan>,
}

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let mut library = context.open_library()?;
    let shown = look(context, &mut library);
    library.close()?;
    let shown = shown?;
    if context.output.json() {
        return Ok(context.output.print_json(&shown)?);
    }
    let Shown { storage, free } = &shown;
    let mut lines: Vec<(&str, String)> = storage
        .kinds
        .iter()
        .filter(|kind| kind.objects > 0)
        .map(|kind| (kind.kind, sized_files(kind.bytes, kind.objects)))
        .collect();
    lines.push(("together", size(storage.total_bytes)));
    lines.extend(storage.disk_free_bytes.map(|bytes| ("disk", format!("{} free", size(bytes)))));
    if storage.trash.photos > 0 {
        let photos = counted(storage.trash.photos, "photo", "photos");
        lines.push(("in the trash", format!("{photos}, {} of the originals", size(storage.trash.bytes))));
    }
    if let Some(plan) = free.as_ref().filter(|plan| !plan.is_empty()) {
        let could = format!("{}: safelight local free --all", sized(plan.originals, plan.bytes));
        lines.push(("may be freed", could));
    }
    context.output.data(&format!("{:>12}  {}", "folder", printable(storage.folder.as_ref())))?;
    for (name, value) in lines {
        context.output.data(&format!("{name:>12}  {value}"))?;
    }
    if let Some(plan) = free {
        tell_plan(context, plan);
    }
    Ok(())
}

fn look(context: &Context, library: &mut Library) -> Result<Shown, LibraryError> {
    let storage = library.storage()?;
    let selection = library.select_all(Among::Everywhere)?;
    let free = match library.plan_free(&selection, &FreeRequest::default(), &context.surroundings()) {
        Ok(plan) => Some(plan),
        Err(LibraryError::NoRemote) => None,
        Err(error @ (LibraryError::Sync(_) | LibraryError::Store(_))) => {
            context.output.warn(&format!("what could be freed is not known: {error}"));
            None
        }
        Err(error) => return Err(error),
    };
    Ok(Shown { storage, free })
}

fn sized_files(bytes: u64, files: u64) -> String {
    format!("{} in {}", size(bytes), counted(files, "file", "files"))
}
