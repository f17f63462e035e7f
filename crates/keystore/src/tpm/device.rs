//! The way to a TPM: the device of the kernel's resource manager, or a socket that speaks as one.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use safelight_crypto::StoreError;
use zeroize::Zeroizing;

use super::wire::{self, Answer, FRAME_BYTES, HEADER_BYTES};

/// How often a busy TPM is asked again.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Device {
    path: PathBuf,
    way: Box<dyn Way>,
}

/// What takes commands and gives answers.
trait Way: Read + Write {}

impl<T: Read + Write> Way for T {}

impl Device {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        match open_way(path) {
            Ok(way) => Ok(Self { path: path.to_owned(), way }),
            Err(error) => Err(StoreError::Absent(unusable(path, &error))),
        }
    }

    pub(super) fn ask(&mut self, command: &[u8]) -> Result<Answer, StoreError> {
        for _ in 1..TRIES {
            let frame = self.exchange(command)?;
            if !wire::is_busy(&frame) {
                return Answer::parse(frame);
            }
            std::thread::sleep(PAUSE);
        }
        Answer::parse(self.exchange(command)?)
    }

    fn exchange(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        exchange(&mut *self.way, command).map_err(|error| {
            StoreError::Failed(format!("the TPM at {} failed: {error}", self.path.display()))
        })
    }
}

fn open_way(path: &Path) -> io::Result<Box<dyn Way>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        /// How long a socket may take to answer; the kernel has a limit of its own.
        const PATIENCE: Duration = Duration::from_secs(30);
        if path.metadata()?.file_type().is_socket() {
            let stream = std::os::unix::net::UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            return Ok(Box::new(stream));
        }
    }
    Ok(Box::new(OpenOptions::new().read(true).write(true).open(path)?))
}

/// The device takes a command in one write and gives the answer to one read; a socket may give it in pieces.
fn exchange(way: &mut dyn Way, command: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    way.write_all(command)?;
    let mut frame = Zeroizing::new(vec![0; FRAME_BYTES]);
    let mut filled = 0;
    loop {
        let unfilled = frame.get_mut(filled..).unwrap_or_default();
        match way.read(unfilled)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
        let length = frame.get(..filled).and_then(wire::frame_length);
        match length {
            Some(length) if !(HEADER_BYTES..=FRAME_BYTES).contains(&length) => {
                return Err(io::Error::other("its answer has an impossible length"));
            }
            Some(length) if length <= filled => {
                frame.truncate(length);
                return Ok(frame);
            }
            _ => {}
        }
    }
}

fn unusable(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no TPM at {path}"),
        io::ErrorKind::PermissionDenied => {
            format!("this user may not use the TPM at {path}: on most systems the group tss may")
        }
        _ => format!("the TPM at {path} cannot be used: {error}"),
    }
}
