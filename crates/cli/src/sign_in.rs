//! Somebody signs in to Dropbox, Google Drive or OneDrive.
//!
//! The address to open is always shown too: browsers may be on another machine. Codes are asked for without echo on a
//! terminal; elsewhere one line of stdin is the answer, for programs that drive this one.

use std::io::{self, IsTerminal as _};

use safelight_library::{RemoteCredential, SecretText, SignInTalk, SignInWay};

use crate::browser;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::printable_text;
use crate::prompt;

/// Lets somebody sign in, and answers the credential that came of it.
pub(crate) fn sign_in(
    context: &Context,
    address: &str,
    client: RemoteCredential,
    by_device_code: bool,
) -> Result<RemoteCredential, Failure> {
    let way = if by_device_code { SignInWay::DeviceCode } else { SignInWay::Usual };
    Ok(safelight_library::sign_in(address, client, way, &Voice { context })?)
}

struct Voice<'a> {
    context: &'a Context,
}

impl SignInTalk for Voice<'_> {
    fn open(&self, url: &str) {
        self.context.output.say("Open this address in a browser on this machine to sign in:");
        self.context.output.say(url);
        if !self.context.has_display() {
            return;
        }
        // Who has no browser that can be opened opens the address that was shown.
        drop(browser::open(url));
    }

    fn show_code(&self, url: &str, code: &str) {
        self.context.output.say(&format!(
            "Open {} on any device and type the code {}",
            printable_text(url),
            printable_text(code)
        ));
    }

    fn ask_code(&self, url: &str) -> io::Result<SecretText> {
        self.context
            .output
            .say("Open this address in a browser, allow the access, and bring back the code it shows:");
        self.context.output.say(url);
        if io::stdin().is_terminal() {
            return prompt::passphrase("Code").map(|code| SecretText::new(code.as_str()));
        }
        prompt::line("").map(|code| SecretText::new(code.as_str()))
    }

    fn is_stopped(&self) -> bool {
        self.context.interrupted()
    }
}
