//! Descriptions by nix2container, whose store paths are in a store that is always there.
#![no_main]

mod input;

use std::fs;
use std::sync::Once;

use libfuzzer_sys::fuzz_target;

static STORE: Once = Once::new();

fuzz_target!(|description: &[u8]| {
    STORE.call_once(|| drop(input::store()));
    let folder = input::folder();
    let file = folder.path().join("image.json");
    fs::write(&file, description).expect("a temporary file");
    let _image = input::read(&file);
});
