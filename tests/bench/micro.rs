//! What each step costs on one thread: `micro FILE`, whose content should be like that of
//! layers. Prints MB/s of the content, and for compressors the size that is left of it.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use snowbird::layer::{PythonEntry, PythonEntryKind, PythonOwner, PythonTar, TarHash};
use snowbird::source::{Wrapper, inflate};

/// As much of the file is taken.
const MOST_BYTES: u64 = 64 << 20;

/// As layers are cut before they are compressed.
const BLOCK_BYTES: usize = 1 << 20;

fn main() -> io::Result<()> {
    let file = std::env::args().nth(1).ok_or_else(|| io::Error::other("usage: micro FILE"))?;
    let mut content = Vec::new();
    File::open(file)?.take(MOST_BYTES).read_to_end(&mut content)?;

    time("sha256", &content, || TarHash::of(&mut &*content).map(|_| None))?;
    for level in [1, 2, 3, 6] {
        time(&format!("gzip:{level}"), &content, || blocks(&content, |block| gzip(block, level)))?;
    }
    for level in 1..=3 {
        let pack = |block: &[u8]| zstd::bulk::compress(block, level).map(|packed| packed.len());
        time(&format!("zstd:{level}"), &content, || blocks(&content, pack))?;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(&content)?;
    let packed = encoder.finish()?;
    time("inflate gzip", &content, || {
        io::copy(&mut inflate(Wrapper::Gzip, &*packed)?, &mut io::sink()).map(|_| None)
    })?;
    let packed = zstd::bulk::compress(&content, 3)?;
    time("inflate zstd", &content, || {
        io::copy(&mut inflate(Wrapper::Zstd, &*packed)?, &mut io::sink()).map(|_| None)
    })?;
    headers();
    Ok(())
}

fn gzip(block: &[u8], level: u32) -> io::Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(block)?;
    Ok(encoder.finish()?.len())
}

/// Compresses block by block, as layers are; returns the size of it all.
fn blocks(content: &[u8], pack: impl Fn(&[u8]) -> io::Result<usize>) -> io::Result<Option<usize>> {
    content.chunks(BLOCK_BYTES).map(pack).sum::<io::Result<usize>>().map(Some)
}

/// Prints the best of three.
fn time(
    name: &str,
    content: &[u8],
    work: impl Fn() -> io::Result<Option<usize>>,
) -> io::Result<()> {
    let mut best = f64::INFINITY;
    let mut left = None;
    for _ in 0..3 {
        let start = Instant::now();
        left = work()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let (all, left) = (content.len() as f64, left.map(|left| left as f64));
    let ratio = left.map(|left| format!("   leaves {:.3}", left / all)).unwrap_or_default();
    say(&format!("{name:14} {:7.0} MB/s{ratio}", all / best / 1e6));
    Ok(())
}

/// Prints how many headers are written in a second.
fn headers() {
    let owner = PythonOwner {
        uid: 0,
        gid: 0,
        uname: "root".to_owned(),
        gname: "root".to_owned(),
        mtime_seconds: 1,
    };
    let name = b"/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-greeter-1.0/share/doc/readme";
    let entry =
        PythonEntry { name, kind: PythonEntryKind::File { size_bytes: 12_345 }, mode: 0o444 };
    let start = Instant::now();
    let count = 200_000;
    let bytes: usize = (0..count).map(|_| PythonTar::Pax.header(&entry, &owner).len()).sum();
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    say(&format!("tar headers    {rate:7.0} a second, {bytes} bytes"));
}

#[expect(clippy::print_stdout, reason = "a program for people")]
fn say(line: &str) {
    println!("{line}");
}
