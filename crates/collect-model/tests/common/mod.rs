//! The worlds that more than one test looks at.

use safelight_collect_model::Library;

/// One remote has the only copy; users purge and import again while it is being collected.
pub(crate) fn only_copy(devices: u8) -> Library {
    Library { holders: 0, imports: 2, purges: true, ..Library::new(devices, 1) }
}

/// Two remotes have a copy each, no device has one, and both may be marked.
pub(crate) fn two_remotes(devices: u8) -> Library {
    Library { holders: 0, replicas: 0b11, marks: 2, ..Library::new(devices, 2) }
}
