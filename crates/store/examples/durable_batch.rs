//! Measures what durability costs: objects written one by one against objects written in batches.
//!
//! `cargo run --release -p safelight-store --example durable_batch -- FOLDER [OBJECTS] [BYTES] [WORK_MS]`
//!
//! `WORK_MS` is how long each object keeps a processor busy before it is written, as sealing and rendering do
//! during an import; the disk can write meanwhile only if it was asked to.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use safelight_crypto::ObjectName;
use safelight_store::{FolderPlace, ObjectFile, ObjectPath, Outcome};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("give a folder on the disk to measure")?);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse::<u64>());
    let (objects, bytes, work_ms) = (number(200)?, number(2_400_000)?, number(0)?);
    let content = content(usize::try_from(bytes)?);
    let run = Run { folder, objects, content, work: Duration::from_millis(work_ms) };
    println!("{objects} objects of {bytes} bytes, {work_ms} ms of work each");
    run.without_sync()?;
    run.in_batches(1)?;
    for size in [8, 32, 200] {
        run.in_batches(size)?;
    }
    Ok(())
}

struct Run {
    folder: PathBuf,
    objects: u64,
    content: Vec<u8>,
    work: Duration,
}

impl Run {
    /// What the same bytes cost without any promise.
    fn without_sync(&self) -> Result<(), Box<dyn Error>> {
        let folder = self.fresh()?;
        let start = Instant::now();
        for index in 0..self.objects {
            self.work();
            std::fs::write(folder.join(format!("plain-{index}")), &self.content)?;
        }
        report("no sync at all", start, self);
        std::fs::remove_dir_all(folder)?;
        sync_disk(&self.folder)
    }

    fn in_batches(&self, size: usize) -> Result<(), Box<dyn Error>> {
        let folder = self.fresh()?;
        let place = FolderPlace::create(&folder.join("objects"), &folder.join("tmp"))?;
        let start = Instant::now();
        let mut batch = place.batch();
        for index in 0..self.objects {
            self.work();
            let mut object = place.create_object()?;
            self.write(&mut object)?;
            batch.add(object, ObjectPath::original(name(index)));
            if batch.len() == size {
                for entry in std::mem::replace(&mut batch, place.batch()).commit() {
                    must_be_new(entry.result?)?;
                }
            }
        }
        for entry in batch.commit() {
            must_be_new(entry.result?)?;
        }
        report(&format!("batches of {size}"), start, self);
        std::fs::remove_dir_all(folder)?;
        sync_disk(&self.folder)
    }

    fn write(&self, object: &mut ObjectFile) -> Result<(), Box<dyn Error>> {
        for piece in self.content.chunks(1 << 20) {
            object.append(piece)?;
        }
        let mut header = [0; safelight_crypto::HEADER_LEN];
        header[..8].copy_from_slice(b"SLO1\x01\x01\x14\x00");
        object.write_header(&header)?;
        Ok(())
    }

    fn work(&self) {
        let start = Instant::now();
        while start.elapsed() < self.work {
            black_box((0..1_000_u64).sum::<u64>());
        }
    }

    fn fresh(&self) -> Result<PathBuf, Box<dyn Error>> {
        let folder = self.folder.join(format!("durable-batch-{}", std::process::id()));
        std::fs::create_dir(&folder)?;
        Ok(folder)
    }
}

fn report(what: &str, start: Instant, run: &Run) {
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "megabytes a second need no more digits")]
    let megabytes = run.objects as f64 * run.content.len() as f64 / 1e6;
    println!("{what:16} {seconds:7.3} s  {:6.0} MB/s", megabytes / seconds);
}

fn must_be_new(outcome: Outcome) -> Result<(), &'static str> {
    if outcome == Outcome::Created { Ok(()) } else { Err("an object was there already") }
}

fn sync_disk(folder: &Path) -> Result<(), Box<dyn Error>> {
    Ok(rustix::fs::syncfs(std::fs::File::open(folder)?)?)
}

/// Bytes that no file system could compress.
fn content(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

fn name(index: u64) -> ObjectName {
    let mut bytes = [0; ObjectName::LEN];
    let spread = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    for (place, byte) in bytes.iter_mut().zip(spread.iter().chain(&index.to_be_bytes())) {
        *place = *byte;
    }
    ObjectName::from_bytes(bytes)
}
