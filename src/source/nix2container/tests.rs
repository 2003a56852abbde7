use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::error::Explain as _;
use crate::image::{Hasher, ImageConfig};

const HASH: &str = "l87fhy0j8gdyvzkdwg5w0kag4asq0q1r";

#[derive(Deserialize)]
struct Layers {
    tree: Vec<TreeFile>,
    layers: Vec<Expected>,
}

#[derive(Deserialize)]
struct TreeFile {
    path: String,
    #[serde(default)]
    mode: u32,
    #[serde(default)]
    text: String,
    #[serde(default)]
    repeat: usize,
    #[serde(default)]
    target: String,
    #[serde(default)]
    folder: bool,
}

#[derive(Deserialize)]
struct Expected {
    what: String,
    paths: Vec<Value>,
    size: u64,
    digest: Digest,
}

#[derive(Deserialize)]
struct Configured {
    image: Value,
    config: String,
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(format!("tests/fixtures/nix2container/{name}")).unwrap()
}

fn layers_fixture() -> Layers {
    serde_json::from_slice(&fixture("layers.json")).unwrap()
}

/// Makes a store with the tree of the fixtures.
fn store() -> TempDir {
    let store = tempfile::tempdir().unwrap();
    let files = layers_fixture().tree;
    let path = |file: &TreeFile| store.path().join(file.path.strip_prefix("@/").unwrap());
    for file in &files {
        if !file.target.is_empty() {
            symlink(&file.target, path(file)).unwrap();
        } else if file.folder {
            fs::create_dir(path(file)).unwrap();
        } else {
            fs::write(path(file), file.text.repeat(file.repeat)).unwrap();
        }
    }
    for file in files.iter().rev().filter(|file| file.target.is_empty()) {
        fs::set_permissions(path(file), Permissions::from_mode(file.mode)).unwrap();
    }
    store
}

/// Gives the folders of a store back to whoever takes it down.
fn unlock(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.symlink_metadata().unwrap().is_dir() {
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
            unlock(&path);
        }
    }
}

/// Reads a description in which `@` stands for `store`.
fn parse(store: &Path, image: &Value) -> Result<Nix2Container, Error> {
    let text = image.to_string().replace('@', store.to_str().unwrap());
    Nix2Container::parse(Path::new("image.json"), text.as_bytes())
}

/// Makes a description with one layer of `paths`.
fn image_of(paths: &[Value]) -> Value {
    let digest = Digest::of(b"").to_string();
    let layer = json!({ "digest": digest, "diff_ids": digest, "size": 7, "paths": paths });
    json!({ "version": 1, "image-config": {}, "layers": [layer], "arch": "amd64" })
}

fn paths_layer(image: &Nix2Container, number: usize) -> &PathsLayer {
    match &image.layers()[number] {
        N2cLayer::Paths(layer) => layer,
        N2cLayer::File(layer) => panic!("{layer:?}"),
    }
}

fn hash(mut reader: impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::default();
    // A number that goes into nothing evenly.
    let mut buffer = [0; 977];
    loop {
        match reader.read(&mut buffer)? {
            0 => {
                let size = hasher.size_bytes();
                return Ok((hasher.finish(), size));
            }
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn is_send(_: &impl Send) {}

#[test]
fn layers_come_out_to_the_byte_as_go_makes_them() {
    let store = store();
    let layers = layers_fixture().layers;
    assert!(layers.len() > 15);
    for Expected { what, paths, size, digest } in layers {
        let image = parse(store.path(), &image_of(&paths)).unwrap();
        let layer = paths_layer(&image, 0);
        assert_eq!((layer.store_paths().count(), layer.size_bytes()), (paths.len(), 7));
        // Twice: a layer can be made again.
        for _ in 0..2 {
            let tar = layer.open().unwrap();
            is_send(&tar);
            assert_eq!(hash(tar).unwrap(), (digest, size), "{what}");
        }
    }
    unlock(store.path());
}

#[test]
fn configs_come_out_to_the_byte_as_go_writes_them() {
    let store = tempfile::tempdir().unwrap();
    let base = store.path().join("0cisi1mvmxriic9afaig3b81gwk0jvyv-base");
    fs::create_dir(&base).unwrap();
    fs::write(base.join("blob"), "blob").unwrap();
    let images: Vec<Configured> = serde_json::from_slice(&fixture("configs.json")).unwrap();
    assert_eq!(images.len(), 2);
    for Configured { image, config } in images {
        let image = parse(store.path(), &image).unwrap();
        let diff_ids: Vec<_> = image
            .layers()
            .iter()
            .map(|layer| match layer {
                N2cLayer::File(file) => file.diff_id,
                N2cLayer::Paths(paths) => paths.claimed(),
            })
            .collect();
        let bytes = image.config(&diff_ids).unwrap();
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), config);
        let parsed = ImageConfig::parse(bytes).unwrap();
        assert_eq!(parsed.diff_ids(), diff_ids);
        assert_eq!((parsed.os(), parsed.architecture()), (image.os(), image.architecture()));
        assert!(image.config(&[]).is_err());
    }
}

#[test]
fn a_layer_that_is_a_file_is_described_as_a_blob() {
    let store = tempfile::tempdir().unwrap();
    let folder = store.path().join(format!("{HASH}-base"));
    fs::create_dir(&folder).unwrap();
    let file = folder.join("blob");
    fs::write(&file, "blob").unwrap();
    let (digest, diff_id) = (Digest::of(b"blob"), Digest::of(b"tar"));
    let layer = |key: &str, value: Value| {
        let mut layer = json!({
            "digest": digest, "size": 4, "diff_ids": diff_id, "layer-path": file,
            "mediatype": "application/vnd.oci.image.layer.v1.tar+gzip",
        });
        layer[key] = value;
        parse(store.path(), &json!({ "version": 1, "layers": [layer], "arch": "arm64" }))
    };
    for size in [0, 4] {
        let image = layer("size", json!(size)).unwrap();
        let N2cLayer::File(found) = &image.layers()[0] else { panic!("{image:?}") };
        let expected = FileLayer {
            path: file.clone(),
            media_type: MediaType::new("application/vnd.oci.image.layer.v1.tar+gzip"),
            digest,
            size_bytes: 4,
            diff_id: DiffId(diff_id),
        };
        assert_eq!(*found, expected);
        assert_eq!((image.os(), image.architecture()), ("linux", "arm64"));
        assert_eq!(image.path(), Path::new("image.json"));
    }
    let code = |key, value| layer(key, value).unwrap_err().code();
    assert_eq!(code("size", json!(5)), "source.malformed");
    assert_eq!(code("mediatype", json!("text/plain")), "source.malformed");
    assert_eq!(code("digest", json!("sha512:00")), "source.malformed");
    assert_eq!(code("layer-path", json!("/etc/passwd")), "source.malformed");
    assert_eq!(code("layer-path", json!(folder.join("gone"))), "source.missing-store-path");
    assert_eq!(code("layer-path", json!(folder)), "source.cannot-open");
}

#[test]
fn what_is_no_description_that_is_known_is_refused_with_the_reason() {
    let nowhere = Path::new("/nowhere");
    let path = format!("@/{HASH}-x");
    let with = |others: Value| {
        let mut one = json!({ "path": path });
        one.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        image_of(&[one])
    };
    for (image, problem) in [
        (json!(7), "`the description` in `image.json` is not of the expected shape"),
        (json!({ "version": 1, "layers": 7 }), "is not of the expected shape"),
        (json!({}), "`version` in `image.json` is 0"),
        (json!({ "version": 2 }), "is 2, but snowbird reads 1"),
        (json!({ "version": 1, "layers": [{}] }), "`layers[0]` in `image.json` has a bad"),
        (
            json!({ "version": 1, "layers": [{ "diff_ids": Digest::of(b"") }] }),
            "has neither `layer-path` nor `paths`",
        ),
        (with(json!({ "tar": "/x.tar" })), "option `tar`, which snowbird does not know"),
        (with(json!({ "options": { "x\u{1b}": 1 } })), r"option `x\u{1b}`"),
        (image_of(&[json!({ "path": "/etc" })]), "has `/etc`, which is no store path"),
        (image_of(&[json!({ "path": format!("{path}/bin") })]), "which is no store path"),
    ] {
        let error = parse(nowhere, &image).unwrap_err().to_string();
        assert!(error.contains(problem), "{image}: {error}");
    }
    // Nothing of this is known, and nothing of it matters.
    let image = json!({ "version": 1, "layers": null, "new": 1, "image-config": { "New": [1] } });
    let config = parse(nowhere, &image).unwrap().config(&[]).unwrap();
    let expected = r#"{"architecture":"amd64","os":"linux","config":{"New":[1]},"rootfs":{"type":"layers","diff_ids":[]}}"#;
    assert_eq!(String::from_utf8(config).unwrap(), expected);
}

#[test]
fn a_description_without_end_is_not_read_to_its_end() {
    let error = Nix2Container::read(Path::new("/dev/zero")).unwrap_err();
    assert!(error.to_string().contains("has more than 16777216 bytes"), "{error}");
}

/// Opens the layer of two store paths that are both laid at the root.
fn over_each_other(make: impl Fn(&Path, &Path), options: [Value; 2]) -> io::Result<LayerTar> {
    let store = tempfile::tempdir().unwrap();
    let roots = ["a", "b"].map(|name| store.path().join(format!("{HASH}-{name}")));
    make(&roots[0], &roots[1]);
    let paths: Vec<_> = roots
        .iter()
        .zip(options)
        .map(|(root, mut options)| {
            options["rewrite"] = json!({ "regex": format!("^{}", root.display()), "repl": "/x" });
            json!({ "path": root, "options": options })
        })
        .collect();
    let image = parse(store.path(), &image_of(&paths)).unwrap();
    paths_layer(&image, 0).open()
}

#[test]
fn files_that_differ_cannot_lie_in_one_place() {
    let write = |path: &Path, text: &str| fs::write(path, text).unwrap();
    let none = || [json!({}), json!({})];
    let differ = |result: io::Result<LayerTar>| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("differ, but come to lie in one place of the layer"), "{error}");
    };
    differ(over_each_other(|a, b| (write(a, "1"), write(b, "12")).0, none()));
    differ(over_each_other(
        |a, b| {
            write(a, "1");
            symlink("x", b).unwrap();
        },
        none(),
    ));
    let same = |a: &Path, b: &Path| (write(a, "1"), write(b, "1")).0;
    differ(over_each_other(
        same,
        [json!({ "perms": [{ "regex": ".", "mode": "0600" }] }), json!({})],
    ));
    over_each_other(same, none()).unwrap();

    let hacked = |a: &Path, _: &Path| {
        fs::create_dir(a).unwrap();
        write(&a.join("A~nix~case~hack~1"), "");
        write(&a.join("A"), "");
    };
    let store = tempfile::tempdir().unwrap();
    let root = store.path().join(format!("{HASH}-a"));
    hacked(&root, &root);
    let image = parse(store.path(), &image_of(&[json!({ "path": root })])).unwrap();
    let error = hash(paths_layer(&image, 0).open().unwrap()).unwrap_err().to_string();
    assert!(error.ends_with("-a/A` twice"), "{error}");
}

#[test]
fn a_layer_whose_files_are_gone_or_change_fails_for_good() {
    let store = tempfile::tempdir().unwrap();
    let root = store.path().join(format!("{HASH}-a"));
    let image = parse(store.path(), &image_of(&[json!({ "path": root })])).unwrap();
    let layer = paths_layer(&image, 0);
    let error = layer.open().unwrap_err().to_string();
    assert!(error.contains("-a`: No such file"), "{error}");

    fs::write(&root, [7; 5000]).unwrap();
    let mut tar = layer.open().unwrap();
    fs::write(&root, [7; 4000]).unwrap();
    let error = hash(&mut tar).unwrap_err().to_string();
    assert!(error.ends_with("changed while it was read"), "{error}");
    assert!(tar.read(&mut [0]).is_err());

    fs::write(&root, [7; 5000]).unwrap();
    let mut tar = layer.open().unwrap();
    // The headers of all folders above, of the file, and some of its content.
    let above = root.ancestors().count() as u64 - 1;
    tar.by_ref().take((above + 1) * 512 + 1000).read_to_end(&mut Vec::new()).unwrap();
    File::options().write(true).open(&root).unwrap().set_len(3000).unwrap();
    let error = hash(&mut tar).unwrap_err().to_string();
    assert!(error.ends_with("it ends 2000 bytes too early"), "{error}");

    fs::remove_file(&root).unwrap();
    let _socket = UnixListener::bind(&root).unwrap();
    let error = hash(layer.open().unwrap()).unwrap_err().to_string();
    assert!(error.ends_with("is no file, folder or link"), "{error}");
}

#[test]
fn a_name_that_grows_beyond_all_bounds_is_refused() {
    let store = tempfile::tempdir().unwrap();
    let root = store.path().join(format!("{HASH}-a"));
    fs::write(&root, "").unwrap();
    let with = |repl: String| {
        let options = json!({ "rewrite": { "regex": ".?", "repl": repl } });
        parse(store.path(), &image_of(&[json!({ "path": root, "options": options })]))
    };
    let image = with("a/".repeat(2000)).unwrap();
    let error = paths_layer(&image, 0).open().unwrap_err().to_string();
    assert!(error.ends_with("-a` would get a name that is too long"), "{error}");
    assert!(with("a/".repeat(2049)).unwrap_err().to_string().contains("too long"));
}

proptest! {
    #[test]
    fn no_description_makes_the_reader_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), "\\PC"), 0..6),
    ) {
        let image = image_of(&[json!({
            "path": format!("/nowhere/{HASH}-x"),
            "options": {
                "rewrite": { "regex": "^/a(b+)", "repl": "$1" },
                "perms": [{ "regex": "x$", "mode": "0755", "orMode": "0200", "uid": 1 }],
            },
        })]);
        let mut text: Vec<_> = image.to_string().chars().map(String::from).collect();
        for (at, change) in changes {
            let at = at.index(text.len());
            text[at] = change;
        }
        if let Ok(image) = Nix2Container::parse(Path::new("x"), text.concat().as_bytes()) {
            let _either_way = image.config(&[DiffId(Digest::of(b""))]);
            for layer in image.layers() {
                if let N2cLayer::Paths(layer) = layer {
                    prop_assert!(layer.open().is_err() || layer.store_paths().count() == 0);
                }
            }
        }
    }
}
