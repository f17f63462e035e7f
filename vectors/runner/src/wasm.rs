//! The module's face to JavaScript: plain exports over linear memory, no bindings generator.
//!
//! `reserve(len)` gives a place to write to; `add_file` and `run` take such places over. `run` returns the
//! place of a text, its length in the upper half: empty when the vector held, else the complaint.

use std::cell::RefCell;

use crate::{Files, Vector, complaint};

thread_local! {
    static FILES: RefCell<Files> = RefCell::default();
}

/// Reserves `len` bytes of linear memory.
#[expect(unsafe_code, reason = "an export that keeps its name")]
#[unsafe(no_mangle)]
pub extern "C" fn reserve(len: usize) -> *mut u8 {
    Box::leak(vec![0; len].into_boxed_slice()).as_mut_ptr()
}

/// Takes over what `reserve` gave.
#[expect(unsafe_code, reason = "memory that JavaScript filled")]
fn take(place: *mut u8, len: usize) -> Vec<u8> {
    // SAFETY: the host passes a pointer from `reserve` with the same length, once.
    unsafe { Vec::from_raw_parts(place, len, len) }
}

/// Adds a file.
#[expect(unsafe_code, reason = "an export that keeps its name")]
#[unsafe(no_mangle)]
pub extern "C" fn add_file(name: *mut u8, name_len: usize, bytes: *mut u8, bytes_len: usize) {
    let name = String::from_utf8_lossy(&take(name, name_len)).into_owned();
    let bytes = take(bytes, bytes_len);
    FILES.with_borrow_mut(|files| files.add(&name, bytes));
}

/// Runs a vector.
#[expect(unsafe_code, reason = "an export that keeps its name")]
#[unsafe(no_mangle)]
pub extern "C" fn run(vector: *mut u8, len: usize) -> u64 {
    let found = match serde_json::from_slice::<Vector>(&take(vector, len)) {
        Ok(vector) => FILES.with_borrow(|files| complaint(&vector, files)),
        Err(error) => Some(format!("not a vector: {error}")),
    };
    let text = found.unwrap_or_default().into_bytes().into_boxed_slice();
    let len = text.len() as u64;
    len << 32 | Box::leak(text).as_ptr() as u64
}
