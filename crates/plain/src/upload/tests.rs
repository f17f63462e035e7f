use super::*;

#[test]
fn a_file_over_which_a_reader_gives_up_fails_alone() {
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let nothing: Option<u32> = std::hint::black_box(None);
    let gave_up = runtime.block_on(apart(move || nothing.unwrap()));
    assert!(matches!(gave_up, Err(Unsent::File(_))), "{gave_up:?}");
    assert!(matches!(runtime.block_on(apart(|| 3)), Ok(3)));
}
