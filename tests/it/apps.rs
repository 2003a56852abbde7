//! `snowbird apps`

use crate::support::Fly;

#[test]
fn an_app_is_created_and_can_be_deployed_to() {
    let fly = Fly::start();
    let world = fly.world();
    let created = world.run(&["apps", "create", "fresh"]);
    assert_eq!((created.code, created.stdout.as_str()), (Some(0), "fresh\n"), "{created}");
    let status = world.run(&["status", "--app", "fresh"]);
    assert_eq!(status.code, Some(0), "{status}");

    let again = world.run(&["apps", "create", "fresh", "--org", "personal", "--json"]);
    assert_eq!(again.code, Some(13), "{again}");
    let (code, message) = again.error();
    assert_eq!(code, "fly.app-name-taken");
    assert!(message.contains("an app `fresh` already") && message.contains("--generate-name"));
}

#[test]
fn a_name_is_made_up_when_asked_for() {
    let fly = Fly::start();
    let created = fly.world().run(&["apps", "create", "--generate-name", "--json"]);
    assert_eq!(created.code, Some(0), "{created}");
    let result: serde_json::Value = serde_json::from_str(&created.stdout).unwrap();
    let name = result["app"].as_str().unwrap();
    assert_eq!(result["organization"], "personal");
    let status = fly.world().run(&["status", "--app", name]);
    assert_eq!(status.code, Some(0), "{status}");
}

#[test]
fn a_lost_answer_makes_no_second_app_and_no_failure() {
    let fly = Fly::start();
    fly.inject("POST /v1/apps=lost".parse().unwrap());
    let created = fly.world().run(&["apps", "create", "fresh"]);
    assert_eq!((created.code, created.stdout.as_str()), (Some(0), "fresh\n"), "{created}");
    assert_eq!(fly.asked("POST", "/v1/apps").len(), 2);
}

#[test]
fn a_name_or_the_wish_for_one_is_needed() {
    let fly = Fly::start();
    for arguments in [&["apps", "create"][..], &["apps", "create", "a", "--generate-name"]] {
        assert_eq!(fly.world().run(arguments).code, Some(2), "{arguments:?}");
    }
    assert_eq!(fly.requests().len(), 0);
}
