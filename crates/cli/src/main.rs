//! `safelight`: an encrypted photo library without a server.
//!
//! Reads top-down: what was typed, what it means, the command, and how it ended. Every command is a
//! file in [`commands`]; what they share is the [`context`].

#![forbid(unsafe_code)]

mod arguments;
mod browser;
mod commands;
mod context;
mod diagnostics;
mod failure;
mod output;
mod progress;
mod prompt;
mod sign_in;
mod span;
mod stores;
mod whole;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};
use context::Context;
use failure::Failure;
use output::{Level, LogFormat};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    // Workers hold nothing worth guarding and must start before anything else is set up.
    if let Command::Worker(worker) = &arguments.command {
        return commands::worker::run(worker);
    }
    let (is_json, log_format) = (arguments.global.json, arguments.global.log_format);
    let context = match Context::new(arguments.global) {
        Ok(context) => context,
        Err(failure) => return report(is_json, log_format, &failure),
    };
    match run(&context, &arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        // Two objects would be one answer too many: beside a result the reason is a sentence.
        Err(failure) if context.output.has_answered() => report(false, log_format, &failure),
        Err(failure) => report(is_json, log_format, &failure),
    }
}

fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Init(arguments) => commands::init::run(context, arguments),
        Command::Join(arguments) => commands::join::run(context, arguments),
        Command::Remote(arguments) => commands::remote::run(context, arguments),
        Command::Sync(arguments) => commands::sync::run(context, arguments),
        Command::Searches(arguments) => commands::searches::run(context, arguments),
        Command::Local(arguments) => commands::local::run(context, arguments),
        Command::Unlock(arguments) => commands::unlock::run(context, arguments),
        Command::Lock(arguments) => commands::lock::run(context, arguments),
        Command::Status(arguments) => commands::status::run(context, arguments),
        Command::Service(arguments) => commands::service::run(context, arguments),
        Command::Doctor(arguments) => commands::doctor::run(context, arguments),
        Command::Import(arguments) => commands::import::run(context, arguments),
        Command::Source(arguments) => commands::source::run(context, arguments),
        Command::List(arguments) => commands::list::run(context, arguments),
        Command::Show(arguments) => commands::show::run(context, arguments),
        Command::Set(arguments) => commands::set::run(context, arguments),
        Command::Album(arguments) => commands::album::run(context, arguments),
        Command::Dedupe(arguments) => commands::dedupe::run(context, arguments),
        Command::Trash(arguments) => commands::trash::run(context, arguments),
        Command::Conflicts(arguments) => commands::conflicts::run(context, arguments),
        Command::Export(arguments) => commands::export::run(context, arguments),
        Command::Serve(arguments) => commands::serve::run(context, arguments),
        Command::Verify(arguments) => commands::verify::run(context, arguments),
        Command::Backup(arguments) => commands::backup::run(context, arguments),
        Command::History(arguments) => commands::history::run(context, arguments),
        Command::Undo(arguments) => commands::undo::run(context, arguments),
        Command::Restore(arguments) => commands::restore::run(context, arguments),
        Command::Snapshot(arguments) => commands::snapshot::run(context, arguments),
        Command::Audit(arguments) => commands::audit::run(context, arguments),
        Command::Brake(arguments) => commands::brake::run(context, arguments),
        Command::Device(arguments) => commands::device::run(context, arguments),
        Command::Key(arguments) => commands::key::run(context, arguments),
        Command::Plain(arguments) => commands::plain::run(context, arguments),
        Command::Gateway(arguments) => commands::gateway::run(context, arguments),
        Command::Azphotosync(arguments) => commands::azphotosync::run(context, arguments),
        Command::Background(arguments) => commands::background::run(context, arguments),
        Command::Agent(arguments) => commands::agent::run(arguments),
        Command::Completions(arguments) => commands::completions::run(arguments),
        Command::Man(arguments) => commands::man::run(context, arguments),
        Command::Worker(_) => Ok(()),
    }
}

/// Says why a command line is not understood; help and the version are asked for in the same way.
fn refuse(error: &clap::Error) -> ExitCode {
    let words: Vec<_> = std::env::args_os().take_while(|word| word != "--").collect();
    let wants_json = words.iter().any(|word| word == "--json");
    let log_format = wanted_log_format(&words);
    if error.use_stderr() && (wants_json || log_format == LogFormat::Json) {
        let text = error.to_string();
        // Which argument is missing, or what may have been meant, stands in the lines above the usage.
        let said = text.split("\nUsage:").next().unwrap_or_default();
        let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
        let message = lines.collect::<Vec<_>>().join(" ");
        let message = message.strip_prefix("error: ").unwrap_or(&message);
        return report(
            wants_json,
            log_format,
            &Failure::usage(message).hint("--help shows what can be written"),
        );
    }
    error.exit()
}

/// The format that a command line asks for which is not understood.
fn wanted_log_format(words: &[OsString]) -> LogFormat {
    let in_one =
        words.iter().filter_map(|word| word.to_str()?.strip_prefix("--log-format=").map(OsString::from));
    let in_two = words.windows(2).filter(|pair| pair[0] == "--log-format").map(|pair| pair[1].clone());
    // What is typed goes before what is set.
    let wanted = in_one.chain(in_two).next().or_else(|| std::env::var_os("SAFELIGHT_LOG_FORMAT"));
    if wanted.is_some_and(|value| value == "json") { LogFormat::Json } else { LogFormat::Text }
}

fn report(is_json: bool, log_format: LogFormat, failure: &Failure) -> ExitCode {
    let output = output::Output::new(is_json, false, false, true).logging(log_format);
    if output.logs_json() && !failure.message.is_empty() {
        output.log(Level::Error, &failure.message, Some(failure.to_value()));
    } else if is_json && !failure.message.is_empty() {
        output.say(&failure.to_json());
    } else if !failure.message.is_empty() {
        // What follows in further lines, such as a mark below a word, stays below it.
        let message = output::printable_lines(&failure.message).replace('\n', "\n           ");
        output.say(&format!("safelight: {message}"));
        if let Some(hint) = &failure.hint {
            output.say(&format!("  hint: {}", output::printable_lines(hint)));
        }
    }
    ExitCode::from(failure.exit as u8)
}
