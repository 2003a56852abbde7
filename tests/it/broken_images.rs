//! Images that are damaged, cut short or none: told at once, and nothing is left behind.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::archive::gzip;
use crate::support::world::Outcome;
use crate::support::{Archive, DockerRegistry, Kind, World};

const SOON: Duration = Duration::from_secs(10);

/// Pushes what must not arrive, and checks that it did not: neither tag nor open upload.
#[track_caller]
fn refused(world: &World, image: &Path, code: &str, words: &[&str]) -> Outcome {
    let registry = DockerRegistry::start();
    let to = format!("{}/web:v1", registry.address());
    let failed = world.run(&["push", image.to_str().unwrap(), "--to", &to, "--json"]);
    assert_eq!(failed.code, Some(12), "{failed}");
    assert!(failed.elapsed < SOON, "{failed}");
    assert_eq!(failed.stdout, "", "{failed}");
    let (said, message) = failed.error();
    assert_eq!(said, code, "{failed}");
    assert!(message.contains("hint: "), "{message}");
    for word in words {
        assert!(message.contains(word), "`{word}` is missing from:\n{message}");
    }
    assert_eq!(registry.manifest_status("web", "v1"), 404);
    assert_eq!(registry.forgotten_uploads(), 0);
    assert_eq!(world.temporary_files(), Vec::<String>::new());
    failed
}

#[test]
fn a_layer_with_one_changed_byte_is_refused_and_named() {
    let archive = Archive::new("hello");
    let expected = archive.diff_ids()[0].to_string();
    for kind in [Kind::Plain, Kind::Gzip, Kind::Zstd, Kind::Script] {
        let world = World::new();
        let path = archive.clone().with_damage_in(0).write(&world, kind);
        let member = format!("{}/layer.tar", archive.diff_ids()[0].hex());
        refused(&world, &path, "push.layer-mismatch", &["damaged", &expected, &member]);
    }
}

#[test]
fn a_damaged_layer_that_is_small_or_has_a_foreign_name_is_refused_too() {
    for (archive, layer) in [
        (Archive::new("hello"), 1),
        (Archive::new("hello").with_foreign_names(), 0),
        (Archive::new("hello").with_foreign_names(), 1),
    ] {
        for kind in [Kind::Plain, Kind::Gzip] {
            let world = World::new();
            let path = archive.clone().with_damage_in(layer).write(&world, kind);
            let expected = archive.diff_ids()[layer].to_string();
            refused(&world, &path, "push.layer-mismatch", &["damaged", &expected]);
        }
    }
}

#[test]
fn an_archive_that_ends_in_a_layer_is_told_to_be_cut() {
    for kind in [Kind::Gzip, Kind::Zstd, Kind::Xz] {
        let world = World::new();
        let path = Archive::new("hello").write(&world, kind);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let words = ["cannot read", path.to_str().unwrap(), "layer.tar", "build or copy"];
        refused(&world, &path, "source.damaged", &words);
    }
}

#[test]
fn an_archive_without_its_end_is_told_to_be_cut() {
    for kind in [Kind::Gzip, Kind::Zstd, Kind::Xz] {
        let world = World::new();
        let path = Archive::new("hello").write(&world, kind);
        let whole = fs::read(&path).unwrap();
        // All members are there; the checksum that follows them is not.
        fs::write(&path, &whole[..whole.len() - 2]).unwrap();
        refused(&world, &path, "source.damaged", &["cannot read", "its end"]);
    }
}

#[test]
fn a_plain_archive_that_is_cut_anywhere_is_told_before_anything_is_sent() {
    // In its first layer, and right before the manifest: its header, its text, the end.
    let in_layer = ["`1c0b47c29439", "cut or broken"];
    let before_manifest = ["neither `manifest.json` nor `index.json`", "truncated"];
    for (from_end, code, words) in [
        (None, "source.damaged", in_layer),
        (Some(512 + 512 + 1024), "source.no-manifest", before_manifest),
    ] {
        let world = World::new();
        let path = Archive::new("hello").write(&world, Kind::Plain);
        let whole = fs::read(&path).unwrap();
        let kept = from_end.map_or(whole.len() / 2, |bytes| whole.len() - bytes);
        fs::write(&path, &whole[..kept]).unwrap();
        refused(&world, &path, code, &words);
    }
}

#[test]
fn a_stream_script_that_fails_is_told_in_its_own_words() {
    let world = World::new();
    let whole = Archive::new("hello").write(&world, Kind::Plain);
    let half = fs::metadata(&whole).unwrap().len() / 2;
    for (what, lines) in [
        (
            "after half",
            format!("head -c {half} {}; echo the oven is cold >&2; exit 7", whole.display()),
        ),
        ("after all", format!("cat {}; echo the oven is cold >&2; exit 7", whole.display())),
    ] {
        let script = world.script(&what.replace(' ', "-"), &lines);
        let words = ["exit status: 7", "the oven is cold"];
        let failed = refused_by_script(&world, &script, &words);
        assert!(failed.stderr.contains("source.script-failed"), "{what}: {failed}");
    }
}

/// As [`refused`], for errors that need no hint: the script's own words are one.
#[track_caller]
fn refused_by_script(world: &World, script: &Path, words: &[&str]) -> Outcome {
    let registry = DockerRegistry::start();
    let to = format!("{}/web:v1", registry.address());
    let failed = world.run(&["push", script.to_str().unwrap(), "--to", &to, "--json"]);
    assert_eq!(failed.code, Some(12), "{failed}");
    assert!(words.iter().all(|word| failed.stderr.contains(word)), "{failed}");
    assert!(failed.elapsed < SOON, "{failed}");
    assert_eq!(registry.manifest_status("web", "v1"), 404);
    assert_eq!(registry.forgotten_uploads(), 0);
    failed
}

#[test]
fn what_is_no_image_is_told_by_its_name_before_anything_is_sent() {
    for (content, words) in [
        (b"just some notes\n".to_vec(), "neither a tar archive nor a stream script"),
        (Vec::new(), "an empty file"),
        (gzip(b"just some notes\n"), "gzip data without a tar archive"),
        (b"QFI\xfb\0\0\0\x03".to_vec(), "qcow2 disk image"),
    ] {
        let world = World::new();
        let path = world.file("thing", content);
        let failed =
            refused(&world, &path, "source.not-an-image", &["not a container image", words]);
        assert!(failed.elapsed < Duration::from_secs(2), "{failed}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let failed = World::new().run(&["push", "./nowhere.tar", "--to", "127.0.0.1:1/web"]);
    assert_eq!(failed.code, Some(12), "{failed}");
    assert!(failed.stderr.contains("cannot open `./nowhere.tar`"), "{failed}");
    assert!(failed.stderr.contains("No such file"), "{failed}");
}
