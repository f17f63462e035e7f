//! Prints how fast originals are sealed and opened, in bytes per second of CPU time, so that a busy machine
//! gives the same figures as an idle one. `cargo run --release -p safelight-crypto --example throughput`

use std::io;
use std::time::Instant;

use safelight_crypto::{Epoch, HEADER_LEN, LibraryId, OriginalOpener, OriginalSealer, SeededEntropy, Sha256};

const SIZE: usize = 256 << 20;

/// Seconds of CPU that this thread has used; wall time where the system does not say.
fn cpu_seconds(start: Instant) -> f64 {
    let own = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = own.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| start.elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
}

#[expect(clippy::print_stdout, reason = "an example that prints figures")]
fn measure(what: &str, mut work: impl FnMut()) {
    let start = Instant::now();
    let mut best = f64::MAX;
    for _ in 0..5 {
        let before = cpu_seconds(start);
        work();
        best = best.min(cpu_seconds(start) - before);
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
    let rate = SIZE as f64 / best / 1e9;
    println!("{what:32} {rate:6.2} GB/s");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut entropy = SeededEntropy::new(1);
    let (epoch, library) = (Epoch::generate(&mut entropy), LibraryId::from_bytes([1; 20]));
    let content: Vec<u8> = (0_u32..).flat_map(u32::to_le_bytes).take(SIZE).collect();

    measure("SHA-256 alone", || {
        let mut hasher = Sha256::new();
        hasher.update(&content);
        std::hint::black_box(hasher.finish());
    });
    measure("seal and hash an original", || {
        let mut sink = |_: u32, bytes: &[u8]| {
            std::hint::black_box(bytes);
            Ok(())
        };
        let mut sealer = OriginalSealer::new(&epoch, library, b"", &mut entropy);
        if sealer.push(&content, &mut sink).and_then(|()| sealer.finish(&mut sink)).is_err() {
            std::process::abort();
        }
    });

    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut sink = |part: u32, bytes: &[u8]| -> io::Result<()> {
        if parts.len() <= part as usize {
            parts.push(vec![0; HEADER_LEN]);
        }
        parts.last_mut().map(|body| body.extend_from_slice(bytes)).ok_or_else(|| io::Error::other("no part"))
    };
    let mut sealer = OriginalSealer::new(&epoch, library, b"", &mut entropy);
    sealer.push(&content, &mut sink)?;
    let original = sealer.finish(&mut sink)?;
    for (part, body) in original.parts.iter().zip(&mut parts) {
        body[..HEADER_LEN].copy_from_slice(&part.header);
    }
    let mut buffer = Vec::new();
    measure("open, hash and check an original", || {
        let mut opener = OriginalOpener::new(library, original.content, original.size_bytes);
        for (part, body) in original.parts.iter().zip(&parts) {
            let (mut source, len) = (body.as_slice(), part.sealed_bytes);
            if opener.open_part(&part.name, len, &epoch, &mut source, &mut buffer, &mut |_| Ok(())).is_err() {
                std::process::abort();
            }
        }
        if opener.finish().is_err() {
            std::process::abort();
        }
    });
    Ok(())
}
