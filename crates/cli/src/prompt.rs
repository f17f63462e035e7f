//! Asks a person: for a passphrase without echo, for a yes, for two of the recovery words.
//!
//! Nothing is ever asked when stdin or stderr is no terminal: a script gets an error that says which flag answers.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use safelight_library::keys::{Strength, check_new_passphrase, strength};
use zeroize::Zeroizing;

/// The question that is open, if there is one.
static OPEN: Mutex<Option<Question>> = Mutex::new(None);

/// What a terminal has to be given back when nobody answers any more.
struct Question {
    /// How it was set; a passphrase is asked for without echo.
    terminal: Option<Termios>,
    /// Whether the other screen is shown.
    is_alone: bool,
}

const OTHER_SCREEN: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[H";
const BACK: &[u8] = b"\x1b[2J\x1b[?1049l";

/// Gives the terminal back if a question is open: nothing is at work meanwhile, so whoever presses Ctrl-C may go at once.
pub(crate) fn give_up() -> bool {
    let Some(open) = OPEN.lock().unwrap_or_else(PoisonError::into_inner).take() else { return false };
    if let Some(terminal) = open.terminal {
        let _gone = tcsetattr(std::io::stdin(), OptionalActions::Now, &terminal);
    }
    // The one who asks holds stderr's lock only while it writes.
    let _gone = std::io::stderr().write_all(if open.is_alone { BACK } else { b"\n" });
    true
}

/// Asks with Ctrl-C as a way out.
fn asking<T>(is_alone: bool, ask: impl FnOnce() -> T) -> T {
    let open = |question| *OPEN.lock().unwrap_or_else(PoisonError::into_inner) = question;
    open(Some(Question { terminal: tcgetattr(std::io::stdin()).ok(), is_alone }));
    let answer = ask();
    open(None);
    answer
}

/// Whether there is a person to ask.
pub(crate) fn someone_is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a passphrase once.
pub(crate) fn passphrase(question: &str) -> std::io::Result<Zeroizing<String>> {
    asking(false, || rpassword::prompt_password(format!("{question}: "))).map(Zeroizing::new)
}

/// Scores of [`strength`] below which a person is warned.
const WEAK_BELOW: u8 = 2;

/// How soon a weak passphrase is guessed.
fn weakness(worth: &Strength) -> String {
    let within = match worth.seconds_log10 {
        ..1.8 => "within a minute",
        ..3.6 => "within an hour",
        _ => "within a day",
    };
    format!("It is weak: whoever has a copy of the library may guess it {within}. Several words are better.")
}

/// Asks for a new passphrase twice, until both agree; one that is short is refused, one that is weak needs a yes.
pub(crate) fn new_passphrase() -> std::io::Result<Zeroizing<String>> {
    loop {
        let first = passphrase("New passphrase")?;
        if let Err(reason) = check_new_passphrase(&first) {
            tell(reason);
            continue;
        }
        let worth = strength(&first);
        if worth.score < WEAK_BELOW && !agree(&format!("{} Take it all the same?", weakness(&worth)))? {
            continue;
        }
        let second = passphrase("Again")?;
        if *first == *second {
            return Ok(first);
        }
        tell("The two differ.");
    }
}

/// Asks a question that is answered with yes or no; no is the default.
pub(crate) fn agree(question: &str) -> std::io::Result<bool> {
    let answer = line(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Asks for one line.
pub(crate) fn line(question: &str) -> std::io::Result<Zeroizing<String>> {
    asking(false, || read_line(question))
}

fn read_line(question: &str) -> std::io::Result<Zeroizing<String>> {
    let mut stderr = std::io::stderr().lock();
    stderr.write_all(question.as_bytes())?;
    stderr.flush()?;
    drop(stderr);
    let mut answer = Zeroizing::new(String::new());
    if std::io::stdin().lock().read_line(&mut answer)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}

/// Shows text alone on the terminal's other screen until Enter is pressed, so that it does not stay behind.
pub(crate) fn show_alone(text: &str) -> std::io::Result<()> {
    asking(true, || {
        std::io::stderr().lock().write_all(OTHER_SCREEN)?;
        tell(text);
        let answered = read_line("\nPress Enter when they are on paper. ");
        std::io::stderr().lock().write_all(BACK)?;
        answered.map(|_| ())
    })
}

fn tell(text: &str) {
    // A terminal that is gone cannot be told anything.
    let _gone = writeln!(std::io::stderr().lock(), "{text}");
}
