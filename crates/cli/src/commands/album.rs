//! `safelight album`: albums are made, named, nested, shown and removed. Photos go in and out with `safelight set`; a
//! smart album is filled by a search.

use clap::{Args, Subcommand};
use safelight_library::{Library, NewAlbum, ShownAlbum};
use serde::Serialize;

use crate::commands::list::joined;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, grouped, printable_bytes, printable_text};
use crate::prompt;

/// Albums: list, make, name, nest, show or remove them
///
/// An album is named by its name, its path (Trips/Iceland) or its id. Photos are put in with
/// safelight set ITEMS album+=NAME and taken out with album-=NAME. One that was made with --search holds what that
/// search finds, whenever it is looked at, and nothing is put into it by hand.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the albums
    List,
    /// Show an album and what lies in it
    Show {
        /// The album
        album: String,
    },
    /// Make an album; a path makes those above it too
    Add {
        /// Its name, or its path
        name: String,
        /// Put it into this album
        #[arg(long = "in", value_name = "ALBUM")]
        within: Option<String>,
        /// Let this search fill it, as in safelight list
        #[arg(long, value_name = "QUERY")]
        search: Option<String>,
    },
    /// Change what fills a smart album, or let a search fill an empty one
    Search {
        /// The album
        album: String,
        /// Words and filters, as in safelight list
        #[arg(required = true)]
        query: Vec<String>,
    },
    /// Give an album another name
    Rename {
        /// The album
        album: String,
        /// Its new name
        name: String,
    },
    /// Put an album into another one, or to the top
    Move {
        /// The album
        album: String,
        /// The album to put it into
        #[arg(required_unless_present = "top")]
        into: Option<String>,
        /// Put it to the top
        #[arg(long, conflicts_with = "into")]
        top: bool,
    },
    /// Remove an album; its photos stay
    Remove {
        /// The album
        album: String,
    },
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    album: &'a ShownAlbum,
    photos: &'a [safelight_library::ListedAsset],
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let mut library = match &arguments.action {
        None | Some(Action::List | Action::Show { .. }) => context.open_library_to_read()?,
        Some(_) => context.open_library()?,
    };
    match &arguments.action {
        None | Some(Action::List) => list(context, &library)?,
        Some(Action::Show { album }) => show(context, &library, album)?,
        Some(Action::Add { name, within, search }) => {
            let new = NewAlbum {
                path: name,
                within: within.as_deref(),
                query: search.as_deref(),
                another: context.global.yes,
            };
            add(context, &mut library, &new)?;
        }
        Some(Action::Search { album, query }) => {
            if dry_run(context, &library, album)? {
                let changed = library.set_album_search(album, &joined(query))?;
                answer(context, "Another search fills", &changed)?;
            }
        }
        Some(Action::Rename { album, name }) => {
            if dry_run(context, &library, album)? {
                let renamed = library.rename_album(album, name)?;
                answer(context, "Now called", &renamed)?;
            }
        }
        Some(Action::Move { album, into, .. }) => {
            if dry_run(context, &library, album)? {
                let moved = library.move_album(album, into.as_deref())?;
                answer(context, "Now at", &moved)?;
            }
        }
        Some(Action::Remove { album }) => remove(context, &mut library, album)?,
    }
    Ok(library.close()?)
}

fn add(context: &Context, library: &mut Library, new: &NewAlbum<'_>) -> Result<(), Failure> {
    if context.global.dry_run {
        context.output.talk("Would make it.");
        return Ok(());
    }
    let made = library.add_album(new)?;
    answer(context, "Made", &made)
}

/// Finds the album; answers whether to go on.
fn dry_run(context: &Context, library: &Library, album: &str) -> Result<bool, Failure> {
    if context.global.dry_run {
        let plan = library.plan_album_removal(album)?;
        context.output.talk(&format!("Would change {}", printable_text(&plan.shown.path)));
    }
    Ok(!context.global.dry_run)
}

fn answer(context: &Context, done: &str, album: &ShownAlbum) -> Result<(), Failure> {
    if context.output.json() {
        context.output.print_json(album)?;
    } else {
        context.output.talk(&format!("{done} {} ({})", printable_text(&album.path), album.short_id()));
    }
    Ok(())
}

fn list(context: &Context, library: &Library) -> Result<(), Failure> {
    let albums = library.list_albums()?;
    if context.output.json() {
        context.output.print_json(&albums)?;
        return Ok(());
    }
    for album in &albums {
        let mut line =
            format!("{}  {:>7}  {}", album.short_id(), grouped(album.assets), printable_text(&album.path));
        if let Some(search) = &album.query {
            line.push_str(&format!("  = {}", printable_text(search)));
        }
        if let Some(problem) = &album.problem {
            line.push_str(&format!("  cannot be searched: {}", printable_text(problem)));
        }
        if album.conflicted {
            line.push_str("  conflicted");
        }
        context.output.data(&line)?;
    }
    if albums.is_empty() {
        context.output.talk("There is no album; safelight album add NAME makes one.");
    }
    Ok(())
}

fn show(context: &Context, library: &Library, album: &str) -> Result<(), Failure> {
    let (album, photos) = library.show_album(album)?;
    if context.output.json() {
        context.output.print_json(&Answer { album: &album, photos: &photos })?;
        return Ok(());
    }
    for photo in &photos {
        let taken = photo.taken.as_deref().unwrap_or("undated").replace('T', " ");
        let path = printable_bytes(photo.path.as_bytes());
        context.output.data(&format!("{}  {taken:19.19}  {path}", photo.short_id()))?;
    }
    let count = counted(photos.len() as u64, "photo", "photos");
    context.output.talk(&format!("{} ({}): {count}", printable_text(&album.path), album.short_id()));
    Ok(())
}

fn remove(context: &Context, library: &mut Library, album: &str) -> Result<(), Failure> {
    let plan = library.plan_album_removal(album)?;
    let path = printable_text(&plan.shown.path);
    let mut message = format!(
        "the album {path} would go; the {} in it stay in the library",
        counted(plan.shown.assets, "photo", "photos")
    );
    if !plan.moving_up.is_empty() {
        let albums: Vec<String> = plan.moving_up.iter().map(|path| printable_text(path)).collect();
        message.push_str(&format!("; these move up: {}", albums.join(", ")));
    }
    if context.global.dry_run {
        context.output.talk(&message);
        return Ok(());
    }
    let is_empty = plan.shown.assets == 0 && plan.moving_up.is_empty();
    let agreed = is_empty
        || context.global.yes
        || (prompt::someone_is_there() && prompt::agree(&format!("{message}. Remove it?"))?);
    if !agreed {
        return Err(Failure::new(Exit::Refused, message).hint("--yes removes it"));
    }
    let removed = library.remove_album(plan)?;
    answer(context, "Removed", &removed)
}
