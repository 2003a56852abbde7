//! Pushes to a registry in which something goes wrong: they end well all the same.

use std::time::Duration;

use bytes::Bytes;
use snowbird::sandbox::{Fault, FaultKind, Strikes};

use crate::support::world::Outcome;
use crate::support::{Archive, Fly, Kind, skopeo};

const UPLOADS: &str = "/v2/web/blobs/uploads/";

/// Pushes an image of three layers while the faults strike, and reads it back.
#[track_caller]
fn arrives_despite(faults: &[&str], kind: Kind) -> (Fly, Outcome) {
    let fly = Fly::start();
    for fault in faults {
        fly.inject(fault.parse().unwrap());
    }
    let outcome = push(&fly, kind);
    (fly, outcome)
}

#[track_caller]
fn push(fly: &Fly, kind: Kind) -> Outcome {
    let world = fly.world();
    let archive = Archive::new("hello");
    let path = archive.write(&world, kind);
    let pushed = world.run(&["push", path.to_str().unwrap(), "--app", "web", "--tag", "v1"]).ok();
    for reference in [pushed.line(), &format!("{}/web:v1", fly.address())] {
        skopeo::read(reference, Some("x:sandbox")).assert_is(&archive);
    }
    pushed
}

#[test]
fn a_registry_that_asks_for_patience_gets_it() {
    let fly = Fly::start();
    fly.inject(Fault {
        requests: format!("POST {UPLOADS}").parse().unwrap(),
        strikes: Strikes::once(2),
        what: FaultKind::Status {
            status: 503,
            headers: vec![("retry-after".to_owned(), "2".to_owned())],
            body: Bytes::from_static(b"<html>be back soon</html>"),
        },
    });
    let pushed = push(&fly, Kind::Gzip);
    assert!(pushed.elapsed > Duration::from_secs(2), "{pushed}");
    assert!(pushed.stderr.contains("503"), "{pushed}");
}

#[test]
fn a_layer_whose_connection_breaks_is_sent_again() {
    for kind in [Kind::Plain, Kind::Gzip, Kind::Script] {
        let (fly, pushed) = arrives_despite(&["PATCH /v2/web=cut:1000000"], kind);
        // After a break it is asked once, with the head alone, what was wrong.
        assert_eq!(fly.asked("PATCH", UPLOADS).len(), 2 + 1, "{kind:?}: {pushed}");
    }
}

#[test]
fn a_layer_whose_connection_breaks_twice_is_sent_a_third_time() {
    let faults = ["PATCH /v2/web=cut:10", "PATCH /v2/web#3=cut:5000000"];
    let (fly, _) = arrives_despite(&faults, Kind::Gzip);
    assert_eq!(fly.asked("PATCH", UPLOADS).len(), 3 + 2);
}

#[test]
fn a_blob_whose_answer_was_lost_is_found_and_not_sent_again() {
    let (fly, pushed) = arrives_despite(&["PUT /v2/web/blobs=lost"], Kind::Gzip);
    assert_eq!(fly.asked("PUT", UPLOADS).len(), 4, "{pushed}");
    let (fly, pushed) = arrives_despite(&["PUT /v2/web/blobs#3=lost"], Kind::Plain);
    assert_eq!(fly.asked("PUT", UPLOADS).len(), 4, "{pushed}");
}

#[test]
fn a_manifest_that_could_not_be_stored_is_stored_again() {
    for fault in ["PUT /v2/web/manifests=status:500", "PUT /v2/web/manifests=lost"] {
        let (fly, pushed) = arrives_despite(&[fault], Kind::Gzip);
        assert_eq!(fly.asked("PUT", "/v2/web/manifests/v1").len(), 2, "{fault}: {pushed}");
        assert_eq!(fly.asked("PUT", UPLOADS).len(), 4, "{fault}: {pushed}");
    }
}

#[test]
fn credentials_that_are_refused_in_the_middle_are_shown_again() {
    for fault in ["POST /v2/web#2", "PATCH /v2/web", "PUT /v2/web/blobs", "PUT /v2/web/manifests"] {
        let fly = Fly::start();
        let order: Fault = format!("{fault}=status:401").parse().unwrap();
        let challenge = ("www-authenticate".to_owned(), "Basic realm=\"fly\"".to_owned());
        let what = FaultKind::Status { status: 401, headers: vec![challenge], body: Bytes::new() };
        fly.inject(Fault { what, ..order });
        push(&fly, Kind::Gzip);
    }
}

#[test]
fn a_registry_that_fails_for_good_is_told_and_no_tag_is_left() {
    let fly = Fly::start();
    let world = fly.world();
    for nth in 1..=20 {
        // Each strikes once.
        fly.inject(format!("PUT /v2/web/blobs#{nth}=status:400").parse().unwrap());
    }
    let path = Archive::new("hello").write(&world, Kind::Gzip);
    let arguments = ["push", path.to_str().unwrap(), "--app", "web", "--tag", "v1", "--json"];
    let failed = world.run(&arguments);
    assert_eq!(failed.code, Some(12), "{failed}");
    assert_eq!(failed.events_named("error")[0]["code"], "registry.refused", "{failed}");
    assert!(failed.elapsed < Duration::from_secs(5), "{failed}");
    assert_eq!(fly.manifest_status("v1"), 404);
}
