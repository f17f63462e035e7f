//! Where words go: data to stdout, talk to stderr; nothing when quiet.
//!
//! Names of files are shown with everything that could confuse a terminal escaped. A reader that
//! closes the pipe ends the command quietly, as it does for other tools.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::failure::{Exit, Failure};

/// Whether a result went to stdout as JSON: one for the process, as stdout is.
static ANSWERED: AtomicBool = AtomicBool::new(false);

/// How the lines on stderr are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// As people read them.
    #[default]
    Text,
    /// Each an object with time, level and message.
    Json,
}

/// How much a line on stderr matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// A line on stderr as JSON.
#[derive(Serialize)]
struct LogLine<'a> {
    time: String,
    level: Level,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<serde_json::Value>,
}

/// How this run speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    log_format: LogFormat,
    json: bool,
    quiet: bool,
    verbose: bool,
    stderr_is_terminal: bool,
    colour: bool,
}

impl Output {
    /// Settles how to speak from the flags and from what stderr is.
    pub(crate) fn new(json: bool, quiet: bool, verbose: bool, no_colour: bool) -> Self {
        let stderr_is_terminal = std::io::stderr().is_terminal();
        let log_format = LogFormat::Text;
        let colour = stderr_is_terminal && !no_colour;
        Self { log_format, json, quiet, verbose, stderr_is_terminal, colour }
    }

    /// The same with another format on stderr.
    pub(crate) fn logging(self, log_format: LogFormat) -> Self {
        Self { log_format, ..self }
    }

    pub(crate) fn logs_json(self) -> bool {
        self.log_format == LogFormat::Json
    }

    pub(crate) fn json(self) -> bool {
        self.json
    }

    pub(crate) fn verbose(self) -> bool {
        self.verbose
    }

    pub(crate) fn shows_bars(self) -> bool {
        self.stderr_is_terminal && !self.quiet && !self.logs_json()
    }

    /// Prints a line of data.
    pub(crate) fn data(self, line: &str) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(line.as_bytes())?;
        stdout.write_all(b"\n")
    }

    /// Prints a line of data that nobody should overlook: red on a terminal.
    pub(crate) fn red_data(self, line: &str) -> std::io::Result<()> {
        if self.colour && std::io::stdout().is_terminal() {
            return self.data(&format!("\u{1b}[31m{line}\u{1b}[0m"));
        }
        self.data(line)
    }

    /// Prints a value as JSON.
    pub(crate) fn print_json<T: Serialize + ?Sized>(self, value: &T) -> std::io::Result<()> {
        let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
        serde_json::to_writer_pretty(&mut stdout, value)?;
        stdout.write_all(b"\n")?;
        stdout.flush()?;
        ANSWERED.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a result was printed as JSON, whole.
    pub(crate) fn has_answered(self) -> bool {
        self.json && ANSWERED.load(Ordering::Relaxed)
    }

    /// Says something on stderr, unless quiet.
    pub(crate) fn talk(self, line: &str) {
        if !self.quiet {
            self.say(line);
        }
    }

    /// Names something that went wrong; said even when quiet.
    pub(crate) fn warn(self, line: &str) {
        if self.logs_json() {
            self.log(Level::Warn, line, None);
        } else if self.colour {
            self.say(&format!("\u{1b}[33m!\u{1b}[0m {line}"));
        } else {
            self.say(&format!("! {line}"));
        }
    }

    /// Says something on stderr in any case.
    pub(crate) fn say(self, line: &str) {
        if self.logs_json() {
            return self.log(Level::Info, line, None);
        }
        self.write_line(line);
    }

    /// Writes a diagnostic on stderr.
    pub(crate) fn diagnose(self, level: Level, line: &str) {
        if self.logs_json() {
            return self.log(level, line.trim_start(), None);
        }
        self.write_line(line);
    }

    /// Writes a line as an object; `error` is the failure that it tells of.
    pub(crate) fn log(self, level: Level, message: &str, error: Option<serde_json::Value>) {
        let time = format!("{:.3}", jiff::Timestamp::now());
        // Text and numbers can always be written as JSON.
        if let Ok(line) = serde_json::to_string(&LogLine { time, level, message, error }) {
            self.write_line(&line);
        }
    }

    fn write_line(self, line: &str) {
        // Nothing can be done for a reader that is gone.
        let _gone = writeln!(std::io::stderr().lock(), "{line}");
    }
}

/// Makes a file that is this user's alone; one that is there is not written over.
pub(crate) fn new_private_file(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Why a file that somebody named is not made.
pub(crate) fn is_there(path: &Path) -> Failure {
    Failure::new(Exit::Refused, format!("{} is there already", printable(path)))
        .hint("name a new file: what is there is not written over")
}

/// A path as it can be shown: control characters, what turns the direction of text, and bytes that are not UTF-8 escaped.
pub(crate) fn printable(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    printable_bytes(path.as_os_str().as_bytes())
}

/// Bytes as they can be shown.
pub(crate) fn printable_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_shown(&mut out, character);
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// What a person typed as it can be shown in a line.
pub(crate) fn printable_text(text: &str) -> String {
    printable_bytes(text.as_bytes())
}

/// A text as one argument of a command that people paste: quoted where a shell would read more into it.
pub(crate) fn for_shell(text: &str) -> String {
    let shown = printable_text(text);
    if !shown.is_empty()
        && shown.chars().all(|letter| letter.is_alphanumeric() || "-_./:@%+=,".contains(letter))
    {
        return shown;
    }
    format!("'{}'", shown.replace('\'', r"'\''"))
}

/// The same for a message, whose own line breaks stay.
pub(crate) fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable_text).collect::<Vec<_>>().join("\n")
}

fn push_shown(out: &mut String, letter: char) {
    if letter.is_control() || is_unseen_order(letter) {
        out.extend(letter.escape_default());
    } else {
        out.push(letter);
    }
}

/// What turns the direction of the text around it, or breaks a line where a terminal may not. The gallery's pages
/// (`web/src/lib/shown.ts`) follow the same rule, by the same table.
fn is_unseen_order(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A device in a line among others: what people call it, or the beginning of its id.
pub(crate) fn device_in_column(id: &str, name: Option<&str>) -> String {
    name.map_or_else(|| id.get(..8).unwrap_or(id).to_owned(), printable_text)
}

/// A size as people say it.
pub(crate) fn size(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}

/// `1 photo`, `2 photos`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// `1,234,567`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_confuse_a_terminal_is_escaped() {
        assert_eq!(printable_bytes(b"a\nb\x1b[31m\xff"), "a\\nb\\u{1b}[31m\\xff");
    }

    #[test]
    fn names_are_shown_as_the_gallery_shows_them() {
        #[derive(serde::Deserialize)]
        struct Case {
            text: String,
            shown: String,
        }
        let table = include_str!("../../../web/src/lib/fixtures/shown.json");
        for case in serde_json::from_str::<Vec<Case>>(table).unwrap() {
            assert_eq!(printable_text(&case.text), case.shown);
        }
    }

    #[test]
    fn text_cannot_turn_the_line_that_it_stands_in() {
        assert_eq!(printable_text("שלום\u{202e}gpj.\nx"), "שלום\\u{202e}gpj.\\nx");
        let path = Path::new("a\u{2066}b\u{2069}\u{2028}c\u{2029}");
        assert_eq!(printable(path), "a\\u{2066}b\\u{2069}\\u{2028}c\\u{2029}");
        assert_eq!(printable_lines("one \u{202e}\n  ^^^\u{1b}"), "one \\u{202e}\n  ^^^\\u{1b}");
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(12), "12");
    }
}
