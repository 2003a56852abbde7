//! An image that the registry has is not built, and of one that is built, as little as will do.

use std::fs;
use std::path::Path;

use super::{Watched, foretold, greeter, told};

/// Returns the outputs of a greeter: its archive, the script that streams it, and its plan.
fn outputs(folder: &Path) -> [String; 3] {
    let container = format!("path:{}#container", folder.display());
    [container.clone(), format!("{container}.stream"), format!("{container}.stream.conf")]
}

/// Deletes an output from the store.
fn delete(path: &Path) {
    told(&["store", "delete", path.to_str().unwrap()]);
    assert!(!path.exists());
}

#[test]
fn what_was_pushed_before_costs_an_evaluation_and_two_requests() {
    let (watched, folder) = (Watched::new(), greeter());
    let [container, _, plan] = outputs(folder.path());
    let first = watched.push(&[&container]).ok();
    assert!(watched.built().iter().any(|path| path.ends_with("-greeter-conf.json.drv")));
    // Then it cannot be taken from the store either.
    delete(&foretold(&plan));

    let before = watched.fly.requests().len();
    let second = watched.push(&[&container]).ok();
    assert_eq!(second.line(), first.line());
    assert_eq!(watched.asked(), ["eval"]);
    assert_eq!(watched.built(), Vec::<String>::new());
    assert!(!foretold(&plan).exists() && !foretold(&container).exists());
    let requests: Vec<_> = watched.fly.requests().into_iter().skip(before).collect();
    // Besides the one that is told where to bring its credentials.
    let image = requests
        .iter()
        .filter(|request| request.path.starts_with("/v2/") && request.status == Some(200));
    let asked: Vec<_> = image.map(|request| request.method.as_str()).collect();
    assert_eq!(asked, ["GET", "GET"], "a manifest and a config: {requests:?}");
}

#[test]
fn a_deploy_and_its_plan_know_what_was_pushed_before() {
    let (watched, folder) = (Watched::new(), greeter());
    let [container, _, plan] = outputs(folder.path());
    watched.world.file("fly.toml", "app = 'web'");
    let pushed = watched.run(&["push", "--app=web", &container]).ok();
    delete(&foretold(&plan));
    let planned = watched.run(&["plan", &container, &watched.fly.flag()]).ok();
    assert!(planned.stdout.contains(pushed.digest()), "{planned}");
    assert_eq!(watched.asked(), ["eval"]);
    let flag = watched.fly.flag();
    let deployed = watched.run(&["deploy", &container, &flag, "--json", "--ha=false"]).ok();
    assert!(deployed.stdout.contains(pushed.digest()), "{deployed}");
    assert_eq!((watched.asked(), watched.built()), (vec!["eval".to_owned()], vec![]));
}

#[test]
fn without_belief_in_the_identity_it_is_built_again() {
    let (watched, folder) = (Watched::new(), greeter());
    let [container, _, plan] = outputs(folder.path());
    let first = watched.push(&[&container]).ok();
    delete(&foretold(&plan));
    let again = watched.push(&[&container, "--rebuild"]).ok();
    assert_eq!(again.line(), first.line());
    assert!(watched.built().iter().any(|path| path.ends_with("-greeter-conf.json.drv")));
}

#[test]
fn the_archive_is_never_built_when_the_plan_will_do() {
    let (watched, folder) = (Watched::new(), greeter());
    let [container, stream, plan] = outputs(folder.path());
    let flake = format!("path:{}", folder.path().display());
    for named in [flake.as_str(), &container, &stream] {
        watched.push(&[named, "--no-reuse"]).ok();
        assert!(foretold(&plan).exists(), "{named}");
        assert!(!foretold(&container).exists() && !foretold(&stream).exists(), "{named}");
    }
}

#[test]
fn a_plan_that_cannot_be_followed_gives_way_to_the_script() {
    let (watched, folder) = (Watched::new(), greeter());
    let [container, stream, plan] = outputs(folder.path());
    let file = folder.path().join("plan.py");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("mtime=\"1970-01-01T00:00:01+00:00\"", "mtime=\"now\"")).unwrap();
    watched.push(&[&container]).ok();
    assert!(foretold(&plan).exists() && foretold(&stream).exists());
    assert!(!foretold(&container).exists());
}

#[test]
fn an_archive_its_script_and_their_flake_are_one_image() {
    let (watched, folder) = (Watched::new(), greeter());
    let [container, stream, _] = outputs(folder.path());
    let by_flake = watched.push(&[&container]).ok();
    let build = |installable: &str| {
        told(&["build", "--no-link", installable]);
        foretold(installable)
    };
    let uploads = watched.fly.asked("POST", "/v2/web/blobs/uploads/").len();
    for path in [build(&stream), build(&container)] {
        let by_path = watched.push(&[path.to_str().unwrap()]).ok();
        assert_eq!(by_path.line(), by_flake.line());
        assert_eq!(watched.asked(), Vec::<String>::new());
    }
    assert_eq!(watched.fly.asked("POST", "/v2/web/blobs/uploads/").len(), uploads);

    // The other way round: what was pushed by its path is known to the flake.
    for path in [&stream, &container] {
        let watched = Watched::new();
        let by_path = watched.push(&[build(path).to_str().unwrap()]).ok();
        let by_flake = watched.push(&[&container]).ok();
        assert_eq!(by_path.line(), by_flake.line());
        assert_eq!(watched.asked(), ["eval"]);
    }
}
