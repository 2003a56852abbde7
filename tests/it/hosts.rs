//! Whom snowbird speaks to: nobody that it was not told of.

use crate::support::{Archive, Fly, Kind};

#[test]
fn a_whole_deploy_speaks_to_the_configured_hosts_alone() {
    let fly = Fly::start();
    let mut world = fly.world();
    // Nothing is there that could do the work in its place.
    world.set("PATH", "/usr/bin:/bin");
    world.file("fly.toml", "app = 'web'\n[http_service]\ninternal_port = 80\n");
    let path = Archive::small("hello").write(&world, Kind::Gzip);
    let arguments = ["deploy", path.to_str().unwrap()];
    let (outcome, peers) = world.run_listing_peers(&arguments);
    outcome.ok();
    let port = fly.address().port();
    let sandbox = format!("_port=htons({port}), sin_addr=inet_addr(\"127.0.0.1\")");
    assert_eq!(peers.into_iter().collect::<Vec<_>>(), [sandbox]);
    assert_eq!(fly.machines("web").len(), 2);
}
