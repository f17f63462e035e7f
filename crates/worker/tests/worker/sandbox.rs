//! What a worker cannot do, and that nothing it does stops the pool.

use std::time::{Duration, Instant};

use crate::common::{pool, pool_with, small_jpeg};
use safelight_media::pool::{Pool, RefusalKind, RenderError, RenderRequest, StillFormat};
use safelight_worker::protocol::Wrong;

/// What became of a wrong, in a word.
fn outcome_of(wrong: Wrong) -> String {
    outcome_in(&pool(), wrong)
}

fn outcome_in(pool: &Pool, wrong: Wrong) -> String {
    match pool.misbehave(wrong) {
        Err(RenderError::Refused(refusal)) if refusal.kind == RefusalKind::Limit => "refused".into(),
        Err(RenderError::Died(reason)) => reason,
        other => format!("{other:?}"),
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_is_closed_by_filter_limits_and_landlock() {
    let sandbox = pool().sandbox().unwrap();
    assert!(sandbox.is_closed(), "{sandbox:?}");
    // Only a kernel that does not know Landlock may leave it out, and then the worker says so.
    let unknown = sandbox.missing.as_deref() == Some("Landlock: not known to this kernel");
    assert!(sandbox.landlock || unknown, "{sandbox:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_that_opens_a_file_is_refused_it() {
    assert_eq!(outcome_of(Wrong::ReadFile), "refused");
    assert_eq!(outcome_of(Wrong::WriteFile), "refused");
    assert!(!std::path::Path::new("/tmp/safelight-worker-was-here").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_that_connects_executes_forks_or_traces_is_stopped() {
    for wrong in [Wrong::Connect, Wrong::Execute, Wrong::Fork, Wrong::Trace] {
        let outcome = outcome_of(wrong);
        assert!(outcome == "tried what its sandbox forbids" || outcome == "refused", "{wrong:?}: {outcome}");
    }
    assert_eq!(outcome_of(Wrong::Connect), "tried what its sandbox forbids");
    assert_eq!(outcome_of(Wrong::Execute), "tried what its sandbox forbids");
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_cannot_signal_its_parent() {
    // The default of SIGUSR1 is to end the process, this one.
    assert_eq!(outcome_of(Wrong::Signal), "refused");
}

#[test]
fn a_worker_that_takes_too_much_memory_dies_alone() {
    // A bound that even a busy machine reaches within the time limit.
    let pool = pool_with(|options| options.memory_bytes = 512 << 20);
    let outcome = outcome_in(&pool, Wrong::Memory);
    assert!(outcome == "ran out of memory or gave up" || outcome == "refused", "{outcome}");
}

#[test]
fn a_worker_that_answers_too_much_is_not_believed() {
    assert!(outcome_of(Wrong::Flood).starts_with("gave a malformed answer"));
}

#[test]
fn a_worker_that_hangs_is_killed_in_time_and_the_next_picture_is_rendered() {
    let pool = pool_with(|options| {
        options.timeout = Duration::from_secs(1);
        options.workers = 1;
    });
    let begun = Instant::now();
    assert!(matches!(pool.misbehave(Wrong::Hang), Err(RenderError::TimedOut(_))));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(pool.render(&RenderRequest::new(&small_jpeg(), StillFormat::Jpeg)).is_ok());
}

#[test]
fn workers_that_die_never_stop_the_others() {
    let pool = pool_with(|options| options.workers = 2);
    let photo = small_jpeg();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (pool, photo) = (&pool, &photo);
            scope.spawn(move || {
                for round in 0..6 {
                    if (thread + round) % 2 == 0 {
                        assert!(matches!(pool.misbehave(Wrong::Die), Err(RenderError::Died(_))));
                    } else {
                        pool.render(&RenderRequest::new(photo, StillFormat::Jpeg)).unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn a_program_that_is_no_worker_is_said_to_be_none() {
    let pool = pool_with(|options| options.program = "/bin/true".into());
    let error = pool.render(&RenderRequest::new(&small_jpeg(), StillFormat::Jpeg)).unwrap_err();
    assert!(matches!(error, RenderError::Unavailable { .. }) && !error.is_about_the_file(), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_ends_when_its_parent_closes_its_input_even_while_busy() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use safelight_worker::protocol::{Hello, Limits, Request, Wanted, read_head, write_head};

    let mut child = Command::new(env!("CARGO_BIN_EXE_safelight-worker-test"))
        .arg("decode")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(read_head::<Hello>(child.stdout.as_mut().unwrap()).unwrap().is_some());
    let request = Request {
        id: 1,
        format: StillFormat::Ppm,
        orientation: 1,
        wanted: Wanted::ALL,
        limits: Limits::default(),
        turn: false,
        fallback: false,
        body_bytes: 0,
        wrong: Some(Wrong::Hang),
    };
    write_head(child.stdin.as_mut().unwrap(), &request).unwrap();
    child.stdin.as_mut().unwrap().flush().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "it hangs, as asked");
    drop(child.stdin.take());
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(5), "it outlives its parent");
        std::thread::sleep(Duration::from_millis(10));
    }
}
