//! Renders files through a pool of workers and says what came of each, and what it cost.
//!
//! `render_files WORKER [--quick] [--workers N] [--out DIR] FILE...` — `WORKER` is `safelight-worker-test`
//! or any program that calls `safelight_worker::run`. Orientation is taken as 1, so this measures and
//! shows decoders; it is no import.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use safelight_media::pool::{Pool, PoolOptions, RenderRequest, Rendered, Wanted};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let mut options = PoolOptions {
        program: arguments.next().ok_or("no worker")?.into(),
        arguments: Vec::new(),
        workers: 2,
        ..PoolOptions::default()
    };
    let (mut files, mut out, mut wanted) = (Vec::new(), None, Wanted::ALL);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--quick") => wanted = Wanted::QUICK,
            Some("--workers") => {
                options.workers =
                    arguments.next().and_then(|n| n.to_str()?.parse().ok()).ok_or("how many?")?;
            }
            Some("--out") => out = arguments.next().map(PathBuf::from),
            _ => files.push(PathBuf::from(argument)),
        }
    }
    let workers = options.workers;
    let pool = Pool::start(options)?;
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    let line = match render(&pool, file, wanted) {
                        Ok(rendered) => {
                            if let Some(out) = &out {
                                keep(&rendered, out, file);
                            }
                            describe(&rendered)
                        }
                        Err(error) => format!("-  {error}"),
                    };
                    println!("{:6} ms  {}  {line}", begun.elapsed().as_millis(), file.display());
                }
            });
        }
    });
    drop(pool);
    let children = children_cpu_millis();
    println!(
        "{} files, {} ms wall, {children} ms CPU of workers, {} a file",
        files.len(),
        begun.elapsed().as_millis(),
        children / files.len().max(1) as u64
    );
    Ok(())
}

fn render(pool: &Pool, file: &Path, wanted: Wanted) -> Result<Rendered, Box<dyn Error + Send + Sync>> {
    let bytes = fs::read(file)?;
    match RenderRequest::sniffed(&bytes) {
        Some(request) => Ok(pool.render(&RenderRequest { wanted, ..request })?),
        None => Ok(pool.poster(&fs::File::open(file)?, wanted)?),
    }
}

fn describe(rendered: &Rendered) -> String {
    let size = |rendition: &Option<safelight_media::pool::Rendition>| {
        rendition
            .as_ref()
            .map_or_else(|| "none".to_owned(), |r| format!("{}x{} {} B", r.width, r.height, r.bytes.len()))
    };
    format!(
        "{}x{} by {}, preview {}, thumbnail {}, quality {:?}{}",
        rendered.width,
        rendered.height,
        rendered.decoder,
        size(&rendered.preview),
        size(&rendered.thumbnail),
        rendered.pdq_quality,
        rendered.damage.as_ref().map(|damage| format!(", damaged: {damage}")).unwrap_or_default()
    )
}

fn keep(rendered: &Rendered, out: &Path, file: &Path) {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    for (rendition, kind) in [(&rendered.preview, "jpg"), (&rendered.thumbnail, "webp")] {
        if let Some(rendition) = rendition {
            drop(fs::write(out.join(format!("{name}.{kind}")), &rendition.bytes));
        }
    }
}

/// Processor time of the workers that have ended, from `/proc`; 0 where there is none.
fn children_cpu_millis() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    // cutime and cstime, in hundredths of a second.
    (ticks(13) + ticks(14)) * 10
}
