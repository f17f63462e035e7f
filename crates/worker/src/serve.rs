//! The loop of a decoding worker: one request, one answer, until standard input ends.
//!
//! Invariant: every request read is answered, also when its decoder panics. The worker ends when its
//! parent does, even in the middle of a picture.

use std::io::{self, BufWriter, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, poll};

use crate::Misbehave;
use crate::protocol::{
    Answer, Hello, MAX_REQUEST_BYTES, Outcome, PROTOCOL, Refusal, Rendered, Rendition, RenditionHead,
    Request, Sandbox, read_head, write_head,
};
use crate::render::Renderer;

pub(crate) fn serve(sandbox: Sandbox, misbehave: Misbehave) -> ExitCode {
    end_with_parent();
    one_thread_for_heic();
    let (mut input, mut output) = (io::stdin().lock(), BufWriter::new(io::stdout().lock()));
    match serve_on(&mut input, &mut output, sandbox, misbehave) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve_on(
    input: &mut impl Read,
    output: &mut impl Write,
    sandbox: Sandbox,
    misbehave: Misbehave,
) -> io::Result<()> {
    write_head(output, &Hello { protocol: PROTOCOL, sandbox })?;
    output.flush()?;
    let mut renderer = Renderer::default();
    let mut picture = Vec::new();
    while let Some(request) = read_head::<Request>(input)? {
        let outcome = match read_picture(input, request.body_bytes, &mut picture)? {
            Ok(()) => match request.wrong {
                Some(wrong) => misbehave(wrong),
                None => render(&mut renderer, &request, &picture),
            },
            Err(refusal) => Err(refusal),
        };
        // One huge picture does not keep its memory for the rest of the worker's life.
        if picture.capacity() > 64 << 20 {
            picture = Vec::new();
        }
        answer(output, request.id, outcome)?;
    }
    Ok(())
}

/// Reads the picture's bytes into `picture`; one that is longer than allowed is read past.
fn read_picture(
    input: &mut impl Read,
    length: u64,
    picture: &mut Vec<u8>,
) -> io::Result<Result<(), Refusal>> {
    picture.clear();
    let fits = usize::try_from(length).ok().filter(|_| length <= MAX_REQUEST_BYTES);
    if fits.is_none_or(|length| picture.try_reserve_exact(length).is_err()) {
        io::copy(&mut input.take(length), &mut io::sink())?;
        return Ok(Err(Refusal::limit("the file is too long to be decoded")));
    }
    if input.take(length).read_to_end(picture)? as u64 == length {
        Ok(Ok(()))
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn render(renderer: &mut Renderer, request: &Request, picture: &[u8]) -> Result<Rendered, Refusal> {
    let first = catch_unwind(AssertUnwindSafe(|| renderer.render(request, picture)));
    first.unwrap_or_else(|_| {
        // What panicked may have left its buffers in any state.
        *renderer = Renderer::default();
        let again = Request { fallback: true, ..request.clone() };
        catch_unwind(AssertUnwindSafe(|| renderer.render(&again, picture))).unwrap_or_else(|_| {
            *renderer = Renderer::default();
            Err(Refusal::malformed("its decoder failed on it"))
        })
    })
}

fn answer(output: &mut impl Write, id: u64, outcome: Result<Rendered, Refusal>) -> io::Result<()> {
    let worker_cpu_micros = cpu_micros();
    let (outcome, bodies) = match outcome {
        Ok(rendered) => split(rendered),
        Err(refusal) => (Outcome::Refused(refusal), Vec::new()),
    };
    write_head(output, &Answer { id, worker_cpu_micros, outcome })?;
    for body in bodies {
        output.write_all(&body)?;
    }
    output.flush()
}

/// Parts the bytes of the renditions from what is said about them.
fn split(rendered: Rendered) -> (Outcome, Vec<Vec<u8>>) {
    let mut bodies = Vec::new();
    let head = rendered.map(|Rendition { width, height, bytes }| {
        let head = RenditionHead { width, height, bytes: bytes.len() as u64 };
        bodies.push(bytes);
        head
    });
    (Outcome::Rendered(head), bodies)
}

fn cpu_micros() -> u64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u64::try_from(spent.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(spent.tv_nsec).unwrap_or(0) / 1_000
}

/// Ends this process when the parent's end of standard input closes, whatever is being decoded.
///
/// The signal that Linux sends at a parent's death follows the thread that started the worker, not the
/// process, so it would end workers whose starter was a short-lived thread.
fn end_with_parent() {
    let watch = || {
        let stdin = io::stdin();
        // No event is asked for, so only hang-up and error are reported.
        while !matches!(poll(&mut [PollFd::new(&stdin, PollFlags::empty())], None), Ok(1..)) {}
        std::process::exit(0);
    };
    // Without the thread the worker ends at its next read.
    drop(std::thread::Builder::new().stack_size(64 << 10).spawn(watch));
}

/// Keeps heic-decoder to this thread: workers are the unit of parallelism, and one must not take all cores.
fn one_thread_for_heic() {
    drop(rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nothing_wrong;
    use crate::protocol::{Limits, StillFormat, Wanted, head_bytes};

    fn request(id: u64, body_bytes: u64) -> Request {
        Request {
            id,
            format: StillFormat::Ppm,
            orientation: 1,
            wanted: Wanted::ALL,
            limits: Limits::default(),
            turn: false,
            fallback: false,
            body_bytes,
            wrong: None,
        }
    }

    #[test]
    fn every_request_is_answered_in_order_and_the_end_of_input_ends_the_loop() {
        let picture = b"P6\n2 1\n255\n\xff\0\0\0\xff\0";
        let mut input = head_bytes(&request(7, picture.len() as u64)).unwrap();
        input.extend(picture);
        input.extend(head_bytes(&request(8, 3)).unwrap());
        input.extend(b"P6\n");
        let mut output = Vec::new();
        serve_on(&mut input.as_slice(), &mut output, Sandbox::default(), nothing_wrong).unwrap();
        let mut output = output.as_slice();
        assert_eq!(read_head::<Hello>(&mut output).unwrap().unwrap().protocol, PROTOCOL);
        let first: Answer = read_head(&mut output).unwrap().unwrap();
        let Outcome::Rendered(rendered) = first.outcome else { panic!("{first:?}") };
        assert_eq!((first.id, rendered.width, rendered.height), (7, 2, 1));
        let body = rendered.thumbnail.unwrap().bytes + rendered.preview.unwrap().bytes;
        let mut output = &output[usize::try_from(body).unwrap()..];
        let second: Answer = read_head(&mut output).unwrap().unwrap();
        assert!(matches!(second, Answer { id: 8, outcome: Outcome::Refused(_), .. }));
        assert!(output.is_empty());
    }

    #[test]
    fn the_product_does_nothing_wrong_on_request() {
        let wrong = Request { wrong: Some(crate::protocol::Wrong::Hang), ..request(1, 0) };
        let mut output = Vec::new();
        let input = head_bytes(&wrong).unwrap();
        serve_on(&mut input.as_slice(), &mut output, Sandbox::default(), nothing_wrong).unwrap();
        let mut output = output.as_slice();
        drop(read_head::<Hello>(&mut output));
        let answer: Answer = read_head(&mut output).unwrap().unwrap();
        assert!(
            matches!(answer.outcome, Outcome::Refused(refusal) if refusal.reason.contains("nothing wrong"))
        );
    }

    #[test]
    fn a_picture_longer_than_allowed_is_refused_without_taking_memory_for_it() {
        let mut picture = Vec::new();
        let refusal = read_picture(&mut io::empty(), MAX_REQUEST_BYTES + 1, &mut picture).unwrap();
        assert!(refusal.is_err());
        assert_eq!(picture.capacity(), 0);
    }

    #[test]
    fn a_picture_cut_off_by_a_dying_parent_ends_the_worker() {
        assert!(
            serve_on(
                &mut head_bytes(&request(1, 9)).unwrap().as_slice(),
                &mut Vec::new(),
                Sandbox::default(),
                nothing_wrong
            )
            .is_err()
        );
    }
}
