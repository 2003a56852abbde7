//! `WWW-Authenticate`: no registry can have its users' credentials sent where they would be
//! read on the way, or into the local network.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snowbird::registry::fuzzing;
use url::Url;

fuzz_target!(|text: &[u8]| {
    for registry in ["https://registry.example", "http://127.0.0.1:5000"] {
        let registry = Url::parse(registry).expect("a URL");
        let Some(realm) = fuzzing::token_server(text, &registry) else { continue };
        if registry.scheme() == "https" {
            assert_eq!(realm.scheme(), "https", "{realm}");
            let local = match realm.host() {
                Some(url::Host::Ipv4(address)) => address.is_loopback() || address.is_private(),
                Some(url::Host::Ipv6(address)) => address.is_loopback(),
                Some(url::Host::Domain(name)) => name == "localhost",
                None => false,
            };
            assert!(!local, "{realm}");
        }
    }
});
