//! History that is written out, and checked by a program that was written from the document alone.

use std::path::Path;
use std::process::Command;

use crate::devices::World;

/// What the checking program says; `None` where there is no Python.
fn checked(files: &[&Path]) -> Option<(i32, String)> {
    let python = std::env::var("SAFELIGHT_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recover/audit_verify.py");
    match Command::new(python).arg("-B").arg(program).args(files).output() {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            Some((output.status.code().unwrap(), String::from_utf8(said).unwrap()))
        }
        Err(_) => {
            safelight_servers::skip("python3");
            None
        }
    }
}

#[test]
fn an_export_of_history_is_checked_without_safelight_and_one_changed_byte_is_found() {
    let place = tempfile::tempdir().unwrap();
    let world = World::in_folder(place.path());
    let one = world.first("one");
    one.import(&world.photos("pics", 0..3));
    one.sync();
    let two = world.join("two");
    two.sync();
    two.ends(&["set", "PLANTED-pics-0.jpg", "caption=\"=1+1\", said \u{fc}ber \u{202e}"], 0);
    two.ends(&["trash", "PLANTED-pics-1.jpg"], 0);
    two.sync();
    one.sync();

    let (whole, part, table) = (world.path("a.jsonl"), world.path("b.jsonl"), world.path("c.csv"));
    let export = |more: &[&str]| one.ends(&[&["audit", "export"], more].concat(), 0);
    export(&[whole.to_str().unwrap()]);
    let id = one
        .json(&["device", "list"])
        .as_array()
        .unwrap()
        .iter()
        .find(|device| device["is_this"] == false)
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    export(&["--sort", "trash", "--device", &id, part.to_str().unwrap()]);
    export(&["--csv", table.to_str().unwrap()]);
    one.ends(&["audit", "export", whole.to_str().unwrap()], 5);

    let Some((code, said)) = checked(&[&whole]) else { return };
    assert!(
        code == 0 && said.contains("devices: 2") && said.contains("left out (their hash only): 0"),
        "{said}"
    );
    let (code, said) = checked(&[&part]).unwrap();
    assert!(code == 0 && said.contains("operations in full: 1,"), "{said}");
    let text = std::fs::read_to_string(&part).unwrap();
    assert!(text.contains("set trashed of") && !text.contains("1+1"), "what was not asked for is not told");
    let signature = table.with_added_extension("signature");
    assert_eq!(checked(&[&table, &signature]).unwrap().0, 0);
    let rows = std::fs::read_to_string(&table).unwrap();
    assert!(
        rows.starts_with("when,device,device_name,sort,what,op\n") && rows.contains(",trash,set trashed of"),
        "{rows}"
    );

    for file in [&whole, &part, &table] {
        let bytes = std::fs::read(file).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 7 + 1) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let path = world.path("changed");
            std::fs::write(&path, changed).unwrap();
            let files: &[&Path] = if file == &table { &[&path, &signature] } else { &[&path] };
            let (code, said) = checked(files).unwrap();
            assert_eq!(code, 1, "byte {at} of {}: {said}", file.display());
        }
    }
}

#[test]
fn history_is_sifted_by_device_time_and_sort() {
    let world = World::in_folder(Path::new("/nowhere"));
    let one = world.alone("one");
    one.import(&world.photos("pics", 0..2));
    one.ends(&["trash", "PLANTED-pics-0.jpg"], 0);
    one.ends(&["set", "PLANTED-pics-1.jpg", "rating=4"], 0);
    let count = |more: &[&str]| one.json(&[&["history"], more].concat()).as_array().unwrap().len();
    assert_eq!((count(&["--sort", "trash"]), count(&["--sort", "edit"])), (1, 1));
    assert_eq!(count(&["--sort", "trash,edit"]), 2);
    assert_eq!(count(&["--sort", "import"]), 2);
    assert!(count(&["--sort", "device"]) > 0);
    assert_eq!(
        (count(&["--until", "1 hour ago"]), count(&["--since", "1 hour ago", "--sort", "edit"])),
        (0, 1)
    );
    one.ends(&["history", "--device", "nobody"], 4);
    one.ends(&["history", "--sort", "weather"], 2);
    one.ends(&["history", "--since", "whenever"], 2);
}
