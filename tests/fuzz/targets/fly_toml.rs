//! Configurations in each language: none makes the reader panic or hang, each problem is at a
//! line that there is, and what a release records of one is read again as the same.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use snowbird::fly::config::{AppConfig, Error};

fuzz_target!(|text: &str| {
    // A file that is named must not be one that never ends.
    if text.contains("/dev/") || text.contains("/proc/") {
        return;
    }
    let lines = text.split('\n').count();
    for path in ["fly.toml", "fly.json", "fly.yaml"] {
        let (config, warnings) = AppConfig::inspect(text, Path::new(path));
        for place in warnings.iter().filter_map(|warning| warning.place()) {
            assert!((1..=lines).contains(&place.line), "{path}: {warnings:?}");
        }
        match config {
            Err(error) => {
                let _told = error.to_string();
                let (Error::Malformed { problems, .. } | Error::Invalid { problems, .. }) = error
                else {
                    panic!("{error}");
                };
                assert!(!problems.is_empty());
                for place in problems.iter().filter_map(|problem| problem.place) {
                    assert!((1..=lines).contains(&place.line), "{path}: {problems:?}");
                }
            }
            Ok(config) => {
                for group in config.groups() {
                    let machine = config.machine_config(&group, "image", None);
                    if let Ok(machine) = machine {
                        let _update = config.machine_config(&group, "image", Some(&machine));
                    }
                    let _volume = config.volume(&group);
                }
                // Files are not part of a release.
                if let Ok(again) = AppConfig::from_definition(config.definition()) {
                    let twice = AppConfig::from_definition(again.definition());
                    let twice = twice.expect("what was recorded can be read");
                    assert_eq!(twice.definition(), again.definition());
                }
            }
        }
    }
});
