//! `safelight`: an encrypted photo library without a server.
//!
//! Reads top-down: what was typed, what it means, the command, and how it ended. Every command is a
//! file in [`commands`]; what they share is the [`context`].

mod arguments;
mod commands;
mod context;
mod failure;
mod output;
mod progress;
mod prompt;
mod sign_in;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};
use context::Context;
use failure::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Workers hold nothing worth guarding and must start before anything else is set up.
    if let Command::Worker(worker) = &arguments.command {
        return commands::worker::run(worker);
    }
    let context = match Context::new(arguments.global) {
        Ok(context) => context,
        Err(failure) => return report(None, &failure),
    };
    match run(&context, &arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(Some(&context), &failure),
    }
}

fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Init(arguments) => commands::init::run(context, arguments),
        Command::Join(arguments) => commands::join::run(context, arguments),
        Command::Remote(arguments) => commands::remote::run(context, arguments),
        Command::Sync(arguments) => commands::sync::run(context, arguments),
        Command::Local(arguments) => commands::local::run(context, arguments),
        Command::Unlock(arguments) => commands::unlock::run(context, arguments),
        Command::Lock(arguments) => commands::lock::run(context, arguments),
        Command::Status(arguments) => commands::status::run(context, arguments),
        Command::Doctor(arguments) => commands::doctor::run(context, arguments),
        Command::Import(arguments) => commands::import::run(context, arguments),
        Command::Source(arguments) => commands::source::run(context, arguments),
        Command::List(arguments) => commands::list::run(context, arguments),
        Command::Show(arguments) => commands::show::run(context, arguments),
        Command::Set(arguments) => commands::set::run(context, arguments),
        Command::Album(arguments) => commands::album::run(context, arguments),
        Command::Trash(arguments) => commands::trash::run(context, arguments),
        Command::Conflicts(arguments) => commands::conflicts::run(context, arguments),
        Command::Export(arguments) => commands::export::run(context, arguments),
        Command::Verify(arguments) => commands::verify::run(context, arguments),
        Command::History(arguments) => commands::history::run(context, arguments),
        Command::Key(arguments) => commands::key::run(context, arguments),
        Command::Background(arguments) => commands::background::run(context, arguments),
        Command::Agent(arguments) => commands::agent::run(arguments),
        Command::Completions(arguments) => commands::completions::run(arguments),
        Command::Man(arguments) => commands::man::run(arguments),
        Command::Worker(_) => Ok(()),
    }
}

fn report(context: Option<&Context>, failure: &Failure) -> ExitCode {
    let output =
        context.map_or_else(|| output::Output::new(false, false, false, true), |context| context.output);
    if !failure.message.is_empty() {
        // What follows in further lines, such as a mark below a word, stays below it.
        output.say(&format!("safelight: {}", failure.message.replace('\n', "\n           ")));
        if let Some(hint) = &failure.hint {
            output.say(&format!("  hint: {hint}"));
        }
    }
    ExitCode::from(failure.exit as u8)
}
