//! Layer plans, whose store paths are in a store that is always there.
#![no_main]

mod input;

use std::fs;
use std::sync::Once;

use libfuzzer_sys::fuzz_target;

static STORE: Once = Once::new();

fuzz_target!(|plan: &[u8]| {
    STORE.call_once(|| drop(input::store()));
    let folder = input::folder();
    let file = folder.path().join("conf.json");
    fs::write(&file, plan).expect("a temporary file");
    let _image = input::read(&file);
});
