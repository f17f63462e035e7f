use super::*;
use crate::content::Stat;
use crate::monitor::Unwatched;
use safelight_store::{Operation, StoreError};

#[test]
fn files_that_are_refused_one_by_one_do_not_end_a_push_and_a_place_that_is_gone_does() {
    let request = PushRequest {
        source: PathBuf::new(),
        tier: None,
        only_media: false,
        dedupe: false,
        adds_source: false,
        dry_run: false,
        names_blobs: false,
    };
    let (report, patience) = (PushReport::default(), Patience::default());
    let mut pushing = Pushing { request: &request, monitor: &Unwatched, report, patience };
    let found = Found { relative: "a.jpg".into(), stat: Stat { size: 1, mtime_ns: 1, inode: 1 } };
    let (place, object) = (|| "place".to_owned(), || "a.jpg".to_owned());
    for _ in 0..20 {
        let error =
            StoreError::TooLarge { place: place(), object: object(), length_bytes: 2, at_most_bytes: 1 };
        assert!(pushing.take(Ok((found.clone(), Err(error.into())))).is_none());
    }
    assert_eq!(pushing.report.failed, 20);
    let ended = (0..20).find_map(|_| {
        let source = std::io::Error::other("no answer");
        let (place, object) = (place(), object());
        let error = StoreError::Network { place, operation: Operation::Put, object, source };
        pushing.take(Ok((found.clone(), Err(error.into()))))
    });
    assert!(matches!(ended, Some(PlainError::NothingGoes { failures: 10, .. })), "{ended:?}");
}
