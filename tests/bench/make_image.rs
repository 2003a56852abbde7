//! Writes a docker archive of a given size: `make-image MIB LAYERS FILE`.
//!
//! The content compresses about as well as programs do, and is the same on every machine.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use sha2::{Digest as _, Sha256};

/// Bytes of each file in a layer.
const FILE_BYTES: usize = 1 << 20;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mib, layers, path] = arguments.as_slice() else {
        return Err(io::Error::other("usage: make-image MIB LAYERS FILE"));
    };
    let mib: usize = mib.parse().map_err(io::Error::other)?;
    let layers: usize = layers.parse().map_err(io::Error::other)?;
    let mut archive = tar::Builder::new(BufWriter::new(File::create(path)?));
    let mut names = Vec::new();
    let mut diff_ids = Vec::new();
    for layer in 0..layers {
        // Of different sizes, as real layers are; together as many as asked for.
        let files = (mib * (layer + 1) * 2).div_ceil(layers * (layers + 1)).max(1);
        let digest = hex(&layer_tar(layer, files, Hashing(Sha256::new()))?.0.finalize());
        let name = format!("{digest}/layer.tar");
        let mut header = header(tar_bytes(files));
        let (reader, mut writer) = io::pipe()?;
        let making = std::thread::spawn(move || layer_tar(layer, files, &mut writer).map(|_| ()));
        archive.append_data(&mut header, &name, reader)?;
        making.join().map_err(|_panic| io::Error::other("the layer's thread panicked"))??;
        names.push(name);
        diff_ids.push(format!("sha256:{digest}"));
    }
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = config.to_string();
    let config_name = format!("{}.json", hex(&Sha256::digest(&config)));
    let manifest = serde_json::json!([
        { "Config": config_name, "RepoTags": ["bench:1"], "Layers": names }
    ]);
    for (name, content) in [(config_name.as_str(), config), ("manifest.json", manifest.to_string())]
    {
        archive.append_data(&mut header(content.len() as u64), name, content.as_bytes())?;
    }
    archive.into_inner()?.flush()
}

fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o444);
    header.set_cksum();
    header
}

/// The size of a layer's tar: a header for each file, and two blocks of zeros.
fn tar_bytes(files: usize) -> u64 {
    (files * (FILE_BYTES + 512) + 1024) as u64
}

/// Writes the tar of one layer.
fn layer_tar<W: io::Write>(layer: usize, files: usize, to: W) -> io::Result<W> {
    let mut builder = tar::Builder::new(to);
    for file in 0..files {
        let content = content(layer, file);
        let name = format!("nix/store/layer-{layer}/file-{file}");
        builder.append_data(&mut header(content.len() as u64), name, content.as_slice())?;
    }
    builder.into_inner()
}

/// Words of a small vocabulary among noise: gzip makes it about four tenths.
fn content(layer: usize, file: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ ((layer as u64) << 32 | file as u64);
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let vocabulary: Vec<[u8; 16]> =
        (0..512).map(|_| (u128::from(next()) << 64 | u128::from(next())).to_le_bytes()).collect();
    let mut content = Vec::with_capacity(FILE_BYTES + 16);
    while content.len() < FILE_BYTES {
        let random = next();
        if random % 16 < 5 {
            content.extend_from_slice(&random.to_le_bytes());
        } else if let Some(word) = vocabulary.get((random >> 8) as usize % 512) {
            content.extend_from_slice(word);
        }
    }
    content.truncate(FILE_BYTES);
    content
}

/// Hashes what is written to it.
struct Hashing(Sha256);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
