//! Plans and trees of all kinds, compared with what the script makes of them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Base, CustomisationLayer, Found, Plan, PlanLayer, StoreLayer, plan_of_script};
use crate::image::{DiffId, Digest};
use crate::source::tests_support::layer_tar;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/image/stream.py");

/// Something in a folder.
#[derive(Debug, Clone)]
enum Item {
    File {
        size: usize,
        mode: u32,
    },
    /// Another name of the file that was made last.
    HardLink,
    Symlink(Vec<u8>),
    Folder(BTreeMap<Vec<u8>, Item>),
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let names = prop_oneof![
        4 => "[ab][-./ _x\n]?[ab]?".prop_map(String::into_bytes),
        1 => "[.][a-z]{1,3}".prop_map(String::into_bytes),
        2 => "[a-zéß→😀\u{e000}\u{fffd}]{1,5}".prop_map(String::into_bytes),
        1 => "[a-z]{60,120}".prop_map(String::into_bytes),
        1 => "[a-zé]{60,110}".prop_map(String::into_bytes),
        2 => prop::collection::vec(prop_oneof![Just(b'a'), 0x01..=0xff_u8], 1..6),
    ];
    names.prop_map(|mut name| {
        name.retain(|&byte| byte != b'/' && byte != 0);
        if matches!(&*name, b"" | b"." | b"..") { b"dots".to_vec() } else { name }
    })
}

fn leaf() -> impl Strategy<Value = Item> {
    let target = prop_oneof![
        Just(b".".to_vec()),
        Just(b"../a".to_vec()),
        name(),
        "/nix/store/[a-zé]{1,20}".prop_map(String::into_bytes),
        "[a-z/]{90,300}".prop_map(String::into_bytes),
    ];
    let sizes = prop_oneof![Just(0), Just(512), Just(1024), Just(511), 1..3000_usize];
    let modes = prop::sample::select(&[0o444, 0o555, 0o644, 0o4755, 0o600][..]);
    prop_oneof![
        4 => (sizes, modes).prop_map(|(size, mode)| Item::File { size, mode }),
        1 => Just(Item::HardLink),
        2 => target.prop_map(Item::Symlink),
    ]
}

fn tree() -> impl Strategy<Value = Item> {
    leaf().prop_recursive(4, 30, 8, |inner| {
        prop::collection::btree_map(name(), inner, 0..8).prop_map(Item::Folder)
    })
}

/// Puts `item` at `path`. `last` is the file that was made last.
fn make(path: &Path, item: &Item, last: &mut Option<PathBuf>) {
    match item {
        Item::File { size, mode } => {
            fs::write(path, vec![b'x'; *size]).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
            *last = Some(path.to_owned());
        }
        Item::HardLink => match last {
            Some(file) => fs::hard_link(file, path).unwrap(),
            None => fs::write(path, "alone").unwrap(),
        },
        Item::Symlink(target) => symlink(OsStr::from_bytes(target), path).unwrap(),
        Item::Folder(items) => {
            fs::create_dir(path).unwrap();
            for (name, item) in items {
                make(&path.join(OsStr::from_bytes(name)), item, last);
            }
        }
    }
}

/// A store in a folder, and a plan for some of its paths.
struct Store {
    folder: tempfile::TempDir,
    conf: Value,
}

impl Store {
    /// Makes a store of `trees`, which the plan's layers share, `per_layer` in each.
    fn new(trees: &[Item], per_layer: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |number: usize, name: &str| {
            folder.path().join(format!("{number:032}-{name}")).to_str().unwrap().to_owned()
        };
        let mut last = None;
        let paths: Vec<_> = (0..trees.len()).map(|number| path(number, "tree")).collect();
        for (path, tree) in paths.iter().zip(trees) {
            make(Path::new(path), tree, &mut last);
        }
        let customisation = path(100, "customisation-layer");
        let tar = layer_tar("bin/greeter", b"hello");
        fs::create_dir(&customisation).unwrap();
        fs::write(Path::new(&customisation).join("layer.tar"), &tar).unwrap();
        let checksum = format!("{}\n", Digest::of(&tar).hex());
        fs::write(Path::new(&customisation).join("checksum"), checksum).unwrap();
        let conf = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/bin/greeter"], "Env": ["PATH=/bin", "PATH=/usr/bin"]},
            "store_dir": folder.path(),
            "from_image": null,
            "store_layers": paths.chunks(per_layer).collect::<Vec<_>>(),
            "customisation_layer": customisation,
            "repo_tag": "greeter:1",
            "created": "1970-01-01T00:00:01+00:00",
            "mtime": "1970-01-01T00:00:01+00:00",
            "uid": "0",
            "gid": "0",
            "uname": "root",
            "gname": "root",
        });
        Self { folder, conf }
    }

    fn conf_path(&self) -> PathBuf {
        self.folder.path().join(format!("{:032}-greeter-conf.json", 9))
    }

    /// Writes the plan, with its config replaced by `config`, which is JSON text.
    fn write(&self, config: Option<&str>) {
        let mut conf = self.conf.clone();
        if config.is_some() {
            conf["config"] = json!("CONFIG");
        }
        let text = conf.to_string().replace("\"CONFIG\"", config.unwrap_or_default());
        fs::write(self.conf_path(), text).unwrap();
    }

    /// Reads the plan as a stream script leads to it, which names this machine's Python.
    fn plan(&self) -> Plan {
        let script = self.folder.path().join("stream");
        let conf = self.conf_path();
        let text = format!("#!/bin/sh\nexec python3 {SCRIPT} {} \"$@\"\n", conf.display());
        fs::write(&script, text).unwrap();
        match plan_of_script(&script).unwrap() {
            Found::Plan(plan) => *plan,
            other => panic!("this test needs a `python3` on PATH that is known: {other:?}"),
        }
    }
}

/// The archive that the script writes.
struct Archive {
    members: BTreeMap<String, Vec<u8>>,
    manifest: Value,
}

impl Archive {
    fn stream(conf: &Path) -> Self {
        let output = Command::new("python3")
            .arg(SCRIPT)
            .arg(conf)
            // File names are UTF-8 wherever a script is run by Nix.
            .envs([("LC_ALL", "C.UTF-8"), ("PYTHONUTF8", "1")])
            .output()
            .expect("this test compares with a Python script and needs `python3` on PATH");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut members = BTreeMap::new();
        for entry in tar::Archive::new(&*output.stdout).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            members.insert(name, content);
        }
        let manifest = serde_json::from_slice(&members["manifest.json"]).unwrap();
        Self { members, manifest }
    }

    fn layers(&self) -> Vec<&[u8]> {
        let names = self.manifest[0]["Layers"].as_array().unwrap();
        names.iter().map(|name| &*self.members[name.as_str().unwrap()]).collect()
    }

    fn config(&self) -> &str {
        let name = self.manifest[0]["Config"].as_str().unwrap();
        std::str::from_utf8(&self.members[name]).unwrap()
    }
}

fn bytes_of(layer: &PlanLayer) -> Vec<u8> {
    let mut bytes = Vec::new();
    match layer {
        PlanLayer::Store(layer) => layer.open().unwrap().read_to_end(&mut bytes).unwrap(),
        PlanLayer::Customisation(layer) => layer.open().unwrap().read_to_end(&mut bytes).unwrap(),
    };
    bytes
}

/// Compares all that `plan` gives with the script's archive, in which `base` comes first.
fn compare(plan: &Plan, conf: &Path, base: Option<Base<'_>>) {
    let archive = Archive::stream(conf);
    let own: Vec<_> = plan.layers().iter().map(bytes_of).collect();
    let theirs = archive.layers();
    let theirs = &theirs[base.map_or(0, |base| base.layers.len())..];
    assert_eq!(own.len(), theirs.len());
    for (number, (own, theirs)) in own.iter().zip(theirs).enumerate() {
        let differ = own.iter().zip(*theirs).position(|(a, b)| a != b);
        assert!(own == theirs, "layer {number} differs at {differ:?}");
    }
    let diff_ids: Vec<_> = own.iter().map(|layer| DiffId(Digest::of(layer))).collect();
    let config = String::from_utf8(plan.config(base, &diff_ids).unwrap()).unwrap();
    assert_eq!(config, archive.config());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn layers_and_config_are_those_of_the_script(
        trees in prop::collection::vec(tree(), 1..4),
        per_layer in 1..3_usize,
        uid in prop_oneof![Just(0), Just(1000), Just(3_000_000_u32)],
        uname in prop_oneof![Just("root"), Just("überall"), Just("a-name-that-is-longer-than-a-field-of-32")],
        time in prop::sample::select(
            &["1970-01-01T00:00:01+00:00", "1970-01-01T00:00:00+05:30", "2024-02-29T12:00:00-08:00"][..],
        ),
    ) {
        let mut store = Store::new(&trees, per_layer);
        store.conf["uid"] = json!(uid.to_string());
        store.conf["gid"] = json!(uid);
        store.conf["uname"] = json!(uname);
        store.conf["mtime"] = json!(time);
        store.conf["created"] = json!(time);
        store.write(None);
        compare(&store.plan(), &store.conf_path(), None);
    }
}

#[test]
fn a_tree_with_all_that_is_awkward_gives_the_scripts_layer() {
    let file = |size| Item::File { size, mode: 0o444 };
    let folder = |items: Vec<(&[u8], Item)>| {
        Item::Folder(items.into_iter().map(|(name, item)| (name.to_vec(), item)).collect())
    };
    let long = [b'n'; 200];
    let tree = folder(vec![
        (b"a", folder(vec![(b"x", file(1)), (b"y", Item::HardLink)])),
        (b"a-b", file(512)),
        (b"a.b", file(0)),
        (b"empty", folder(vec![])),
        (b".hidden", file(1024)),
        (b"line\nfeed", file(3)),
        (b"back\\slash", file(3)),
        (&long, folder(vec![(&long, Item::Symlink([&long[..], b"/"].concat().repeat(10)))])),
        ("ünïcode→😀".as_bytes(), Item::Symlink("ziel-ü".into())),
        (b"bytes-\xff\xc3", Item::Symlink(b"\xfe".to_vec())),
        (b"\xed\xa0\x80\xf0\x9f", file(9)),
        ("\u{e000}".as_bytes(), file(9)),
        (b"to-folder", Item::Symlink(b"a".to_vec())),
        (b"dangling", Item::Symlink(b"/nix/store/nowhere".to_vec())),
        (b"run", Item::File { size: 20, mode: 0o6755 }),
    ]);
    let store = Store::new(&[tree, Item::Symlink(b"/tmp".to_vec()), file(700), Item::HardLink], 4);
    store.write(None);
    compare(&store.plan(), &store.conf_path(), None);
}

#[test]
fn a_config_keeps_the_order_and_the_characters_of_the_plan() {
    let mut store = Store::new(&[], 1);
    store.conf["architecture"] = json!("arm64");
    store.write(Some(
        r#"{"Zeta": {}, "Alpha": [], "Env": ["A=\u00e9\ud83d\ude00", "A=1"], "Healthcheck":
            {"Interval": 30000000000, "Test": ["CMD", "/bin/a \"b\" \\ \n\u007f"]},
            "Zeta": {"80/tcp": {}}, "Flag": true, "Nothing": null, "Small": -1}"#,
    ));
    compare(&store.plan(), &store.conf_path(), None);
}

#[test]
fn a_base_comes_first_and_its_variables_too() {
    let mut store = Store::new(&[Item::File { size: 5, mode: 0o444 }], 1);
    let tar = layer_tar("etc/base", b"base");
    let image = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/base", "BASE=1", "EMPTY"], "User": "ignored"},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&tar)]},
    });
    let image = image.to_string().into_bytes();
    let names = ["it's \"base\"/layer.tar".to_owned()];
    let manifest = json!([{"Config": "base.json", "RepoTags": null, "Layers": names}]);
    let mut builder = tar::Builder::new(Vec::new());
    let manifest = manifest.to_string().into_bytes();
    for (name, content) in
        [(names[0].as_str(), &tar), ("base.json", &image), ("manifest.json", &manifest)]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, &**content).unwrap();
    }
    let base = store.folder.path().join("base.tar");
    fs::write(&base, builder.into_inner().unwrap()).unwrap();
    store.conf["from_image"] = json!(base);
    for config in [r#"{"Cmd": ["/x"], "Env": ["OWN=2", "PATH=/own"]}"#, r#"{"Cmd": ["/x"]}"#] {
        store.write(Some(config));
        let plan = store.plan();
        assert_eq!(plan.base_image(), Some(base.as_path()));
        compare(&plan, &store.conf_path(), Some(Base { config: &image, layers: &names }));
    }
}

#[test]
fn created_now_is_the_moment_at_which_the_plan_is_read() {
    let mut store = Store::new(&[], 1);
    store.conf["created"] = json!("now");
    store.write(None);
    let plan = Plan::read(&store.conf_path()).unwrap();
    let created = |config: &[u8]| {
        let config: Value = serde_json::from_slice(config).unwrap();
        assert_eq!(config["history"][0]["created"], config["created"]);
        let created = config["created"].as_str().unwrap().to_owned();
        humantime::parse_rfc3339(&created).unwrap()
    };
    let own = [DiffId(Digest::of(b"any"))];
    let config = plan.config(None, &own).unwrap();
    assert_eq!(config, plan.config(None, &own).unwrap());
    let theirs = Archive::stream(&store.conf_path());
    let apart = created(theirs.config().as_bytes())
        .duration_since(created(&config))
        .expect("the script ran later");
    assert!(apart < Duration::from_secs(60), "{apart:?}");
    assert!(created(&config) <= SystemTime::now());
}

#[test]
fn the_customisation_layer_has_its_checksum() {
    let store = Store::new(&[], 1);
    store.write(None);
    let plan = Plan::read(&store.conf_path()).unwrap();
    let [PlanLayer::Customisation(layer)] = &*plan.layers() else { panic!() };
    let tar = bytes_of(&PlanLayer::Customisation(layer.clone()));
    assert_eq!(layer.checksum(), Some(DiffId(Digest::of(&tar))));
    fs::write(layer.tar().with_file_name("checksum"), "not a digest").unwrap();
    let folder = layer.tar().parent().unwrap().to_owned();
    assert_eq!(CustomisationLayer::find(folder).checksum(), None);
}

#[test]
fn a_bare_plan_has_the_layers_that_a_script_of_its_time_would_give() {
    let store = Store::new(&[Item::File { size: 5, mode: 0o444 }], 1);
    store.write(None);
    let plan = Plan::read(&store.conf_path()).unwrap();
    let layer: &StoreLayer = match &plan.layers()[0] {
        PlanLayer::Store(layer) => &layer.clone(),
        PlanLayer::Customisation(_) => panic!("it comes last"),
    };
    assert!(layer.recipe().contains("\"tar\":\"pax\""), "{}", layer.recipe());
    assert_eq!(layer.store_paths().len(), 1);
}
