//! Inputs as files, and what holds for every image that is made of one.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use snowbird::error::Account;
use snowbird::image::{DiffId, Digest, ImageConfig};
use snowbird::source::{Error, Image, Indexed, Interrupt, Layout, Member, Source, Stop, Visit};
use tempfile::TempDir;

/// The most bytes that are read of one layer, and of one image in one pass.
const MAX_LAYER_BYTES: u64 = 1 << 20;

/// The most layers that are opened.
const MAX_LAYERS: usize = 32;

/// A folder in memory, where the system has one.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder for temporary files")
}

/// A store that is always in the same place, so that inputs can name what is in it.
#[allow(dead_code, reason = "archives name no store paths")]
pub fn store() -> PathBuf {
    let store = Path::new("/tmp/snowbird-fuzz/store").to_owned();
    let package = store.join("00000000000000000000000000000000-a");
    fs::create_dir_all(package.join("bin")).expect("a store for the inputs");
    fs::write(package.join("bin/a"), "#!/bin/sh\n").expect("a file in the store");
    fs::create_dir_all(store.join("11111111111111111111111111111111-b")).expect("a store path");
    let layer = store.join("22222222222222222222222222222222-layer");
    fs::create_dir_all(&layer).expect("a customisation layer");
    fs::write(layer.join("layer.tar"), [0; 10240]).expect("a tar in the store");
    let checksum = Digest::of(&[0; 10240]).hex();
    fs::write(layer.join("checksum"), checksum).expect("a checksum in the store");
    store
}

/// What an image says of itself: the config's digest and the layers in their order.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub config: Digest,
    pub diff_ids: Vec<DiffId>,
}

/// Reads the image in `path`, if it is one.
pub fn read(path: &Path) -> Option<Seen> {
    let layout = good(good(Source::open(path))?.layout())?;
    match layout {
        Layout::Indexed(indexed) => read_indexed(&indexed),
        Layout::Streamed(streamed) => {
            let mut visitor = Reading { left_bytes: MAX_LAYER_BYTES };
            let Image { config, layers, .. } =
                good(streamed.read(&Interrupt::default(), &mut visitor))?;
            assert_eq!(layers.len(), config.diff_ids().len());
            Some(seen(&config))
        }
    }
}

fn read_indexed(indexed: &Indexed) -> Option<Seen> {
    let (layers, (os, architecture)) = (indexed.layers(), indexed.platform());
    for layer in layers.iter().take(MAX_LAYERS) {
        // What the layer holds is foreign; that reading it ends is ours.
        let read = layer
            .open(&Interrupt::default())
            .and_then(|content| io::copy(&mut content.take(MAX_LAYER_BYTES), &mut io::sink()));
        if let Err(error) = read {
            can_be_shown(&layer.damaged(error));
        }
    }
    let diff_ids: Vec<_> =
        (0..layers.len()).map(|n| DiffId(Digest::of(&n.to_le_bytes()))).collect();
    let config = good(indexed.config(&diff_ids))?;
    assert_eq!(config.diff_ids().len(), layers.len());
    assert_eq!((config.os(), config.architecture()), (os, architecture));
    Some(seen(&config))
}

fn seen(config: &ImageConfig) -> Seen {
    Seen { config: config.digest(), diff_ids: config.diff_ids().to_vec() }
}

/// Takes apart a result. Errors are made of foreign text, and must be fit to be shown.
fn good<T>(result: Result<T, Error>) -> Option<T> {
    result.inspect_err(can_be_shown).ok()
}

fn can_be_shown(error: &Error) {
    let text = Account::of(error).to_string();
    assert!(!text.contains(|c: char| c.is_control() && !"\n\t".contains(c)), "{text:?}");
    assert!(text.len() < 64 << 10, "{} bytes would be shown", text.len());
}

/// Reads layers, up to a bound.
struct Reading {
    left_bytes: u64,
}

impl Visit for Reading {
    fn layer(&mut self, member: &Member, content: &mut dyn Read) -> Result<(), Stop> {
        let read = io::copy(&mut content.take(self.left_bytes), &mut io::sink())?;
        assert!(read <= member.size_bytes, "more than the member has");
        self.left_bytes -= read;
        Ok(())
    }
}
