//! Diagnostics on stderr, in the format that is asked for.

use tracing_subscriber::fmt::MakeWriter;

use crate::output::{Level, Output};

/// Diagnostics go to stderr with --verbose. No secret is ever in them. Of a library no photo's name is, either; of a plain
/// copy they name objects, and those are called after the paths of files.
pub(crate) fn tell(output: Output) {
    tell_of(output, "warn,safelight=debug");
}

/// The same without what only helps to find faults: for programs that run on, whose failures nobody would hear of.
pub(crate) fn tell_failures(output: Output) {
    tell_of(output, "warn");
}

fn tell_of(output: Output, what: &str) {
    let filter = tracing_subscriber::EnvFilter::new(what);
    let subscriber = tracing_subscriber::fmt()
        .with_writer(Told { output })
        // An object names the level in a field of its own.
        .with_level(!output.logs_json())
        .with_env_filter(filter)
        .without_time()
        .with_target(false);
    // A second subscriber cannot be set; the first one then stays.
    let _set_already = subscriber.try_init();
}

/// Where diagnostics go, each with its own level.
struct Told {
    output: Output,
}

impl MakeWriter<'_> for Told {
    type Writer = Diagnostics;

    fn make_writer(&self) -> Diagnostics {
        Diagnostics { output: self.output, level: Level::Debug, line: Vec::new() }
    }

    fn make_writer_for(&self, metadata: &tracing::Metadata<'_>) -> Diagnostics {
        let level = match *metadata.level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            _ => Level::Debug,
        };
        Diagnostics { output: self.output, level, line: Vec::new() }
    }
}

/// Where one diagnostic is written; it is said as a line once it is whole.
struct Diagnostics {
    output: Output,
    level: Level,
    line: Vec<u8>,
}

impl std::io::Write for Diagnostics {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Diagnostics {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.line);
        self.output.diagnose(self.level, text.trim_end());
    }
}
