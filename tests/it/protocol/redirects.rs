//! Requests that are sent to another host: they are made there, and without credentials.

use super::{AT_ONCE, BLOBS, MANIFEST, UPLOADS, arrives, each, fails, small_arrives, streams};
use crate::support::scripted_registry::{Answer, Fault, Told};
use crate::support::{Archive, ScriptedRegistry};

#[test]
fn an_upload_that_is_to_go_on_at_another_host_does_so_without_credentials() {
    let registry = ScriptedRegistry::start_with_accounts();
    let (own, other) = (registry.address().to_string(), registry.other_host().to_string());
    let away = Fault::change(move |answer| {
        let location = answer.header("location").map(|location| location.replace(&own, &other));
        if let Some(location) = location {
            answer.set("location", &location);
        }
    });
    registry.always("POST", UPLOADS, away);
    arrives(&registry);
    assert_eq!(registry.asked("PUT", UPLOADS).len(), 0);
    assert_eq!(registry.asked_elsewhere("PUT", UPLOADS).len(), 4);
}

#[test]
fn what_is_read_may_be_read_elsewhere() {
    for status in [301, 302, 303, 307, 308] {
        let registry = ScriptedRegistry::start_with_accounts();
        small_arrives(&registry);
        let puts = registry.asked("PUT", UPLOADS).len();
        for (method, path) in [("HEAD", BLOBS), ("GET", BLOBS), ("GET", MANIFEST)] {
            let fault = Fault::Redirect(status, registry.other_host(), Told::Late);
            registry.always(method, path, fault);
        }
        small_arrives(&registry);
        assert_eq!(registry.asked("PUT", UPLOADS).len(), puts, "{status}");
        assert!(!registry.asked_elsewhere("GET", BLOBS).is_empty(), "{status}");
    }
}

#[test]
fn what_is_sent_may_be_sent_elsewhere() {
    for status in [307, 308] {
        for told in [Told::Early, Told::Late] {
            for (method, path) in [("POST", UPLOADS), ("PUT", UPLOADS), ("PUT", MANIFEST)] {
                let registry = ScriptedRegistry::start_with_accounts();
                let fault = Fault::Redirect(status, registry.other_host(), told);
                registry.always(method, path, fault);
                arrives(&registry);
                let there = registry.asked_elsewhere(method, path).len();
                assert_eq!(there, registry.asked(method, path).len(), "{status} {method} {told:?}");
                assert_eq!(streams(&registry).len() + usize::from(method == "POST"), 1);
            }
        }
    }
}

#[test]
fn a_body_that_came_to_the_wrong_place_is_sent_again_and_the_next_ones_ask_first() {
    each([(307, Told::Early), (308, Told::Late)], |(status, told)| {
        let registry = ScriptedRegistry::start_with_accounts();
        registry.always("PATCH", UPLOADS, Fault::Redirect(status, registry.other_host(), told));
        arrives(&registry);
        assert_eq!(streams(&registry).len(), 1, "{told:?}");
        let there = registry.asked_elsewhere("PATCH", UPLOADS);
        let bodies = there.iter().filter(|patch| patch.body_bytes > 0).count();
        assert_eq!((there.len(), bodies), (2, 1), "{told:?}");
    });
}

#[test]
fn a_redirect_in_a_circle_ends() {
    for (method, path) in [("GET", MANIFEST), ("HEAD", BLOBS), ("PUT", UPLOADS), ("POST", UPLOADS)]
    {
        let registry = ScriptedRegistry::start();
        registry.always(method, path, Fault::Redirect(307, registry.address(), Told::Late));
        if matches!(method, "GET" | "HEAD") {
            arrives(&registry);
        } else {
            let failed = fails(&registry, "registry.refused");
            assert!(failed.elapsed < AT_ONCE, "{failed}");
        }
        assert!(registry.asked(method, path).len() <= 24, "{method}");
    }
}

#[test]
fn a_redirect_that_would_change_the_method_is_not_followed() {
    for status in [301, 302, 303] {
        let registry = ScriptedRegistry::start();
        let fault = Fault::Redirect(status, registry.other_host(), Told::Late);
        registry.always("PUT", UPLOADS, fault);
        let failed = super::fails_as(&registry, &Archive::small("hello"), "registry.refused");
        assert!(failed.elapsed < AT_ONCE, "{failed}");
        assert_eq!(registry.asked_elsewhere("GET", UPLOADS).len(), 0);
    }
}

#[test]
fn a_redirect_to_nowhere_is_told() {
    let registry = ScriptedRegistry::start();
    registry.always("PUT", MANIFEST, Fault::Answer(Answer::new(307)));
    let failed = super::fails_as(&registry, &Archive::small("hello"), "registry.protocol");
    assert!(failed.elapsed < AT_ONCE, "{failed}");
}
