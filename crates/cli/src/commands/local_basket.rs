//! `safelight local basket`: archived photos that are collected, and thawed together.

use clap::{Args, Subcommand};
use safelight_library::{Among, Library, ThawBasket};

use super::list::joined;
use super::local::tell_fetched;
use super::local_thaw::{HowSoon, tell_costs, thaw_selected};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{counted, grouped, printable_text, size};

/// What is done with the basket; without a word it is shown.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what lies in it, how that stands, and what it would cost
    List,
    /// Put photos in
    Add {
        /// Ids, paths or a query
        #[arg(required = true)]
        items: Vec<String>,
    },
    /// Take photos out; nothing else happens to them
    Remove {
        /// Ids, paths or a query
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        items: Vec<String>,
        /// Everything
        #[arg(long)]
        all: bool,
    },
    /// Ask for everything in it that is archived
    ///
    /// Shows first about what it costs, and asks with --yes; --dry-run only shows it.
    Thaw {
        #[command(flatten)]
        how: HowSoon,
    },
    /// Fetch what can be read by now, and take it out of the basket
    Fetch,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let action = arguments.action.as_ref().unwrap_or(&Action::List);
    if let Action::List = action {
        let library = context.open_library_to_read()?;
        let basket = library.thaw_basket()?;
        library.close()?;
        return tell(context, &basket);
    }
    if !matches!(action, Action::Thaw { .. }) {
        context.refuse_dry_run("local basket", "safelight local basket shows what lies in it")?;
    }
    let mut library = context.open_library()?;
    let outcome = act(context, &mut library, action);
    library.close()?;
    outcome
}

fn act(context: &Context, library: &mut Library, action: &Action) -> Result<(), Failure> {
    match action {
        Action::List => {}
        Action::Add { items } => {
            let selection = library.select(items, &joined(items), Among::WhatIsAsked)?;
            library.put_into_basket(&selection, true)?;
        }
        Action::Remove { all: true, .. } => library.empty_basket()?,
        Action::Remove { items, .. } => {
            let selection = library.select(items, &joined(items), Among::WhatIsAsked)?;
            library.put_into_basket(&selection, false)?;
        }
        Action::Thaw { how } => {
            let selection = library.select_basket()?;
            return thaw_selected(context, library, &selection, true, how);
        }
        Action::Fetch => {
            let report = library.fetch_basket(&context.surroundings(), &context.progress)?;
            tell_fetched(context, &report)?;
            if report.failed_originals + report.archived_originals > 0 {
                return Err(Failure::silent(Exit::Incomplete));
            }
            return Ok(());
        }
    }
    tell(context, &library.thaw_basket()?)
}

fn tell(context: &Context, basket: &ThawBasket) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(basket)?);
    }
    for item in &basket.items {
        let at = item.remote.as_ref().map(|remote| format!(" in {remote}")).unwrap_or_default();
        let (id, name) = (item.id.get(..12).unwrap_or(&item.id), printable_text(&item.name));
        context.output.data(&format!("{id}  {name}  {}{at}, {}", item.state, size(item.bytes)))?;
    }
    let further = basket.photos.saturating_sub(basket.items.len() as u64);
    if further > 0 {
        context.output.talk(&format!("… and {}", counted(further, "more photo", "more photos")));
    }
    context.output.talk(&format!(
        "{} in the thaw basket: {} archived ({}), {} thawing ({}), {} readable now",
        counted(basket.photos, "photo", "photos"),
        grouped(basket.archived),
        size(basket.archived_bytes),
        grouped(basket.thawing),
        size(basket.thawing_bytes),
        grouped(basket.readable)
    ));
    tell_costs(context, &basket.costs);
    for priority in &basket.priorities {
        let dearer = if priority.dearer { ", at a higher price" } else { "" };
        let hours = counted(priority.up_to_hours.into(), "hour", "hours");
        context.output.talk(&format!("--priority {}: within {hours}{dearer}", priority.priority));
    }
    Ok(())
}
