//! What is tried again, after how long, and what is told at once.

use std::time::{Duration, SystemTime};

use super::{AT_ONCE, BLOBS, MANIFEST, UPLOADS, each, fails_as, push, small_arrives};
use crate::support::scripted_registry::{Answer, AnswerBody, End, Fault};
use crate::support::{Archive, ScriptedRegistry};

#[test]
fn what_may_pass_is_tried_again() {
    each([[408, 425, 429], [499, 500, 502], [503, 504, 520], [521, 522, 524]], |statuses| {
        let registry = ScriptedRegistry::start();
        // Each strikes another blob's upload, so that the pauses stay short.
        for (status, nth) in statuses.into_iter().zip([1, 3, 5]) {
            registry.order("POST", UPLOADS, nth, Fault::Answer(Answer::new(status)));
        }
        small_arrives(&registry);
        assert_eq!(registry.asked("POST", UPLOADS).len(), 3 + 3, "{statuses:?}");
    });
}

#[test]
fn what_will_not_pass_is_told_at_once() {
    for status in [400, 404, 405, 409, 413, 418, 501, 505] {
        let registry = ScriptedRegistry::start();
        registry.always("POST", UPLOADS, Fault::Answer(Answer::new(status)));
        let failed = fails_as(&registry, &Archive::small("hello"), "registry.refused");
        assert!(failed.error().1.contains(&status.to_string()), "{failed}");
        assert!(failed.elapsed < AT_ONCE, "{failed}");
        assert!(registry.asked("POST", UPLOADS).len() <= 3, "no layer asks twice");
    }
}

#[test]
fn the_pause_that_the_registry_asks_for_is_kept() {
    each([false, true], |is_date| {
        let registry = ScriptedRegistry::start();
        let text = if is_date {
            httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3))
        } else {
            "2".to_owned()
        };
        let busy = Answer::new(503).with("retry-after", &text);
        registry.order("PUT", MANIFEST, 1, Fault::Answer(busy));
        let pushed = small_arrives(&registry);
        // A date has whole seconds, and some of them passed before it was asked for.
        assert!(pushed.elapsed > Duration::from_millis(1500), "{text}: {pushed}");
        assert!(pushed.elapsed < Duration::from_secs(6), "{text}: {pushed}");
    });
}

#[test]
fn whatever_is_asked_may_break_off_once() {
    let requests = [
        ("GET", MANIFEST),
        ("HEAD", BLOBS),
        ("POST", UPLOADS),
        ("PUT", UPLOADS),
        ("PUT", MANIFEST),
    ];
    each(requests, |(method, path)| {
        for end in [End::Close, End::Reset] {
            let registry = ScriptedRegistry::start();
            registry.order(method, path, 1, Fault::Cut(0, end));
            let pushed = small_arrives(&registry);
            assert!(pushed.elapsed < 2 * AT_ONCE, "{method} {path}: {pushed}");
        }
    });
}

#[test]
fn an_error_may_have_any_body() {
    let mut endless = Answer::new(400);
    endless.body = AnswerBody::Endless;
    let large = Answer::new(400).body(vec![b'x'; 2 << 20]);
    let html = Answer::new(400).body("<html><body>Bad\u{1b}[2J Request</body></html>");
    let odd = Answer::new(400).body(r#"{"errors":{"code":7}}"#);
    let loud = Answer::error(400, "BLOB_UPLOAD_INVALID\u{1b}[2J");
    for answer in [endless, large, html, odd, loud] {
        let registry = ScriptedRegistry::start();
        registry.always("POST", UPLOADS, Fault::Answer(answer));
        let failed = fails_as(&registry, &Archive::small("hello"), "registry.refused");
        assert!(failed.elapsed < AT_ONCE, "{failed}");
        let (_, message) = failed.error();
        assert!(message.contains("400") && !message.contains('\u{1b}'), "{failed}");
        assert!(message.len() < 5000, "{failed}");
    }
}

#[test]
fn a_warning_is_told_once_wherever_it_comes_from() {
    let registry = ScriptedRegistry::start();
    let warn = Fault::change(|answer| answer.set("warning", "299 - \"closing on Sunday\""));
    for method in ["PATCH", "PUT"] {
        registry.always(method, "/v2/web/", warn.clone());
    }
    let pushed = push(&registry, &Archive::new("hello")).ok();
    let warnings = pushed.events_named("warning");
    assert_eq!(warnings.len(), 1, "{pushed}");
    assert!(warnings[0]["message"].as_str().unwrap().contains("closing on"), "{pushed}");
}
