//! Writes an image as `dockerTools.streamLayeredImage` leaves it: store paths, the plan of
//! their layers, and a script that streams a docker archive of them.
//!
//!     make-image MIB LAYERS STREAMER FOLDER
//!
//! `FOLDER/image` and `FOLDER/changed` differ in one layer, of 10 MiB where the image has
//! 80 or more. Each has `plan`, a link to the plan, and `stream`, a link to the script, which
//! runs the Python program `STREAMER`. Names, sizes and contents are the same on every
//! machine; so are the layers if `FOLDER` is, for its path is in them.

mod content;
mod store_tree;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use store_tree::{Store, write};

/// Bytes of the layer in which the two images differ.
const CHANGED_BYTES: u64 = 10 << 20;

/// How many small store paths share the last layer, as what does not get a layer of its
/// own does.
const PATHS_IN_LAST_LAYER: u64 = 12;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mib, layers, streamer, folder] = arguments.as_slice() else {
        return Err(io::Error::other("usage: make-image MIB LAYERS STREAMER FOLDER"));
    };
    let bytes = mib.parse::<u64>().map_err(io::Error::other)? << 20;
    let layers: u64 = layers.parse().map_err(io::Error::other)?;
    if layers < 4 {
        return Err(io::Error::other("an image has at least four layers"));
    }
    let folder = std::path::absolute(folder)?;
    let streamer = fs::canonicalize(streamer)?;
    let store = Store::new(folder.join("store"))?;

    let changed_bytes = CHANGED_BYTES.min(bytes / 8);
    let mut store_layers = Vec::new();
    for (number, bytes) in sizes(bytes - changed_bytes, layers - 3).into_iter().enumerate() {
        store_layers.push(vec![store.package(&format!("package-{number}-1.0"), bytes)?]);
    }
    let last = (0..PATHS_IN_LAST_LAYER)
        .map(|number| store.package(&format!("small-{number}-1.0"), 20_000 + 9_000 * number))
        .collect::<io::Result<Vec<_>>>()?;
    let customisation = customisation(&store, &last)?;
    for (image, app) in [("image", "app-1.0"), ("changed", "app-1.1")] {
        let app = vec![store.package(app, changed_bytes)?];
        let layers: Vec<_> = store_layers.iter().chain([&app, &last]).collect();
        describe(&store, &layers, &customisation, &streamer, &folder.join(image))?;
    }
    Ok(())
}

/// Divides `bytes` among `layers` as closures do: a few are large, most are small. The order
/// is by chance, but always the same.
fn sizes(bytes: u64, layers: u64) -> Vec<u64> {
    // Weights 1/1, 1/2, 1/3 and so on; the stride goes through them all, as it is prime.
    let weights: Vec<u64> =
        (0..layers).map(|number| 1_000_000 / (1 + number * 7919 % layers)).collect();
    let total: u64 = weights.iter().sum();
    weights.into_iter().map(|weight| bytes * weight / total).collect()
}

/// Writes plan and script into the store, and links to them into `folder`.
fn describe(
    store: &Store,
    layers: &[&Vec<PathBuf>],
    customisation: &Path,
    streamer: &Path,
    folder: &Path,
) -> io::Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let plan = serde_json::json!({
        "architecture": "amd64",
        "config": { "Cmd": ["/bin/app"], "Env": ["PATH=/bin"] },
        "created": "1970-01-01T00:00:01+00:00",
        "mtime": "1970-01-01T00:00:01+00:00",
        "uid": "0",
        "gid": "0",
        "uname": "root",
        "gname": "root",
        "store_dir": store.folder(),
        "from_image": null,
        "store_layers": layers,
        "customisation_layer": customisation,
        "repo_tag": format!("bench:{name}"),
    });
    let conf = store.path(&format!("{name}-conf.json"));
    write(&conf, plan.to_string().as_bytes(), 0o444)?;
    let script = store.path(&format!("stream-{name}"));
    let text =
        format!("#!/bin/sh\nexec python3 {} {} \"$@\"\n", streamer.display(), conf.display());
    write(&script, text.as_bytes(), 0o555)?;
    fs::create_dir_all(folder)?;
    symlink(conf, folder.join("plan"))?;
    symlink(script, folder.join("stream"))
}

/// Makes the layer that `dockerTools` packs ahead of time: links into the store.
fn customisation(store: &Store, targets: &[PathBuf]) -> io::Result<PathBuf> {
    let folder = store.path("bench-customisation-layer");
    fs::create_dir_all(&folder)?;
    let mut builder = tar::Builder::new(Vec::new());
    for (number, target) in targets.iter().enumerate() {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        builder.append_link(&mut header, format!("bin/small-{number}"), target)?;
    }
    let layer = builder.into_inner()?;
    let digest = Sha256::digest(&layer);
    write(&folder.join("layer.tar"), &layer, 0o444)?;
    let mut checksum = File::create(folder.join("checksum"))?;
    for byte in digest {
        write!(checksum, "{byte:02x}")?;
    }
    writeln!(checksum)?;
    Ok(folder)
}
