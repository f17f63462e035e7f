//! The rules of dropping replicas and collecting their objects, as a model that a checker explores to the end.
//!
//! Development only: nothing ships from here. [`Library`] holds one content, a few devices and remotes, and every step that
//! `docs/spec/sl1-history.md` §10 lets a device, a network or a user take; [`Rule`] names the rules that can be taken away. With
//! all of them no reachable state loses the content; without any one of them the checker shows the shortest way to lose it.
//!
//! What is left out, and why that is sound:
//! - *Other contents.* A rule looks at the objects of one content only.
//! - *Segments and numbers.* A device's published history is the set of facts that it had learnt when it last published
//!   ([`Facts`]); reading it gives all of them, because a segment is published after everything in its `seen`.
//! - *Time.* Any step may take for ever, except where a rule speaks of time: a device that was lapsed was silent for longer
//!   than a proof lives, and knows it by its own clock ([`Action::Lapse`]).

#![forbid(unsafe_code)]

mod device;
mod facts;
mod library;
mod quiet;
mod rules;
mod storage;

pub use facts::{Device, Fact, Facts, GENERATIONS, MAX_DEVICES, Object, REMOTES};
pub use library::{
    Action, LOST, Library, RECORD_WITHOUT_OBJECT, State, UNCOLLECTED, UNSAFE_AFTER_ACKNOWLEDGEMENT,
};
pub use rules::{Rule, Rules};
