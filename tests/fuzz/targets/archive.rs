//! Archives of all kinds: no input makes the reader panic, hang or take much memory, and one
//! that is compressed is the same image as one that is not.
#![no_main]

mod input;

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|archive: &[u8]| {
    let folder = input::folder();
    let (plain, packed) = (folder.path().join("image"), folder.path().join("image.gz"));
    fs::write(&plain, archive).expect("a temporary file");
    let as_it_is = input::read(&plain);

    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(archive).expect("memory takes it");
    fs::write(&packed, encoder.finish().expect("memory takes it")).expect("a temporary file");
    // Either may be read where the other is not: what is streamed is read to its end, what is
    // not is read where its index says. If both are, they are the same image.
    if let (Some(plain), Some(packed)) = (as_it_is, input::read(&packed)) {
        assert_eq!(plain, packed);
    }
});
