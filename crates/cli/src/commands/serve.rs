//! `safelight serve`: the library in a browser on this machine.

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use clap::Args;
use safelight_library::{Lan, Surroundings, check_lock_after};
use safelight_server::{Empty, Invitations, Opened, ServeOptions, Server};

use crate::browser;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::printable;

/// How often somebody's wish to stop is looked for.
const NAP: Duration = Duration::from_millis(200);

/// Show the library in a browser, on this machine only
///
/// The address that is printed opens the gallery once, within a minute; Enter prints another one. After 15 minutes
/// without a request, or what safelight local set lock-after= says, the key is forgotten and the page asks for the
/// passphrase.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only print the address, and open no browser
    #[arg(long)]
    no_open: bool,
    /// Listen at this port; without it, at any that is free
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Show it as it was: 2026-05-14 (the end of that day), "2026-05-14 10:30", yesterday, "3 days ago", or a snapshot
    #[arg(long, value_name = "WHEN")]
    at: Option<String>,
    /// Forget the key after so long without a request, whatever this device's rules say: 90s, 15m, 2h; 1m to 24h
    #[arg(long, value_name = "TIME", value_parser = lock_after)]
    lock_after: Option<Duration>,
    /// Let invitations of the gallery wait in the remote only; without it they also wait on the local network
    #[arg(long)]
    no_lan: bool,
    /// Print the OpenAPI document of the routes, and serve nothing
    #[arg(long, hide = true)]
    openapi: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.openapi {
        return Ok(context.output.print_json(&safelight_server::document())?);
    }
    context.refuse_dry_run("serve", "it shows the library and changes nothing by itself")?;
    let place = place(context, if arguments.no_lan { Lan::Off } else { Lan::Near })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let options =
            ServeOptions { port: arguments.port, idle: arguments.lock_after, ..ServeOptions::default() };
        let server = match place {
            Place::Opened(opened) => Server::bind(*opened, &options).await,
            Place::Empty(empty) => Server::bind_empty(*empty, &options).await,
        };
        let server = server.map_err(|error| cannot_listen(arguments, &error))?;
        if let Some(when) = &arguments.at {
            let moment = context.moment(when);
            server.look_back(&moment)?;
            context.output.talk(&format!("As it was at {moment}; the page goes back to today."));
        }
        announce(context, arguments, &server)?;
        invite_again(context, server.invitations());
        server.run(until_interrupted(context)).await.map_err(Failure::from)
    })?;
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(())
}

/// A time as the rule of this device takes it.
fn lock_after(text: &str) -> Result<Duration, String> {
    let after = super::unlock::duration(text)?;
    check_lock_after(after).map_err(|error| error.to_string())?;
    Ok(after)
}

/// What is served: a library, or the page that makes one.
enum Place {
    Opened(Box<Opened>),
    Empty(Box<Empty>),
}

fn place(context: &Context, lan: Lan) -> Result<Place, Failure> {
    let (options, surroundings) = (context.library_options(), Surroundings { lan, ..context.surroundings() });
    if context.existing_library()?.is_none() {
        let path = context.library_path()?;
        let folder = printable(&path);
        context
            .output
            .talk(&format!("There is no library in {folder} yet; the page makes one, or joins one."));
        return Ok(Place::Empty(Box::new(Empty { path, options, surroundings })));
    }
    let library = context.open_library()?;
    let (folder, keys) = library.keys();
    let opened = Opened { folder: folder.clone(), keys: keys.clone(), options, surroundings };
    library.close()?;
    Ok(Place::Opened(Box::new(opened)))
}

fn cannot_listen(arguments: &Arguments, error: &std::io::Error) -> Failure {
    let failure =
        Failure::new(Exit::Incomplete, format!("port {} cannot be listened at: {error}", arguments.port));
    if arguments.port == 0 {
        failure
    } else {
        failure.hint("leave --port out, and one that is free is taken")
    }
}

/// Prints where the gallery is, and opens it for somebody who sees it.
fn announce(context: &Context, arguments: &Arguments, server: &Server) -> Result<(), Failure> {
    let address = server.address();
    if context.output.json() {
        context.output.print_json(&serde_json::json!({ "address": address, "port": server.port() }))?;
        return Ok(());
    }
    context.output.data(&address)?;
    if !arguments.no_open && context.has_display() {
        open(context, &address);
    } else if !context.has_display() {
        let port = server.port();
        context.output.talk("Only this machine can open it. From another one, first run there:");
        context.output.talk(&format!("  ssh -N -L {port}:localhost:{port} {}", context.this_machine()));
    }
    if std::io::stdin().is_terminal() {
        context.output.talk("It opens once, within a minute. Enter prints another address; Ctrl-C ends.");
    }
    Ok(())
}

fn open(context: &Context, address: &str) {
    if let Err(error) = browser::open(address) {
        context
            .output
            .talk(&format!("The browser could not be opened ({error}); open that address yourself."));
    }
}

/// Prints another address whenever somebody presses Enter.
fn invite_again(context: &Context, invitations: Invitations) {
    if !std::io::stdin().is_terminal() || context.output.json() {
        return;
    }
    let output = context.output;
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() || output.data(&invitations.address()).is_err() {
                return;
            }
        }
    });
}

async fn until_interrupted(context: &Context) {
    while !context.interrupted() {
        tokio::time::sleep(NAP).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_locks_after_what_a_rule_of_this_device_may_say() {
        for (text, seconds) in [("60s", 60), ("1m", 60), ("15m", 900), ("24h", 86_400), ("1d", 86_400)] {
            assert_eq!(lock_after(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["1s", "59s", "1441m", "25h", "2d", "30d"] {
            let refused = lock_after(text).unwrap_err();
            assert!(
                refused.contains("1 minute at the soonest and 24 hours at the latest"),
                "{text}: {refused}"
            );
        }
        for text in ["15", "", "x"] {
            assert!(lock_after(text).is_err(), "{text}");
        }
    }
}
