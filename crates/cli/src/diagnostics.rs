//! Diagnostics on stderr, in the format that is asked for.

use crate::output::Output;

/// Diagnostics go to stderr with --verbose. No secret is ever in them. Of a library no photo's name is, either; of a plain
/// copy they name objects, and those are called after the paths of files.
pub(crate) fn tell(output: Output) {
    let filter = tracing_subscriber::EnvFilter::new("warn,safelight=debug");
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || Diagnostics { output, line: Vec::new() })
        .with_env_filter(filter)
        .without_time()
        .with_target(false);
    // A second subscriber cannot be set; the first one then stays.
    let _set_already = subscriber.try_init();
}

/// Where one diagnostic is written; it is said as a line once it is whole.
struct Diagnostics {
    output: Output,
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
        self.output.diagnose(text.trim_end());
    }
}
