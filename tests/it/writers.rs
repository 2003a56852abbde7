//! What other programs write, pushed and read back: skopeo, buildah, podman and umoci.

use std::fs;
use std::process::{Command, Output};

use crate::support::skopeo::{self, ReadBack};
use crate::support::world::Outcome;
use crate::support::{Archive, DockerRegistry, Kind, World};

const OCI_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const OCI_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
const DOCKER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// Where buildah and podman keep images: in the folder that they run in.
const IMAGES: [&str; 6] = ["--storage-driver", "vfs", "--root", "images", "--runroot", "run"];

/// A folder in which programs write images, and a registry for them.
struct Workshop {
    registry: DockerRegistry,
    world: World,
}

impl Workshop {
    fn new() -> Self {
        let (registry, world) = (DockerRegistry::start(), World::new());
        fs::create_dir(world.work().join("home")).unwrap();
        Self { registry, world }
    }

    /// Runs a program in the folder and returns what it writes to stdout.
    #[track_caller]
    fn run(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let home = self.world.work().join("home");
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.world.work())
            .env("HOME", &home)
            .env("TMPDIR", &home)
            .env("XDG_RUNTIME_DIR", &home)
            // Containers cannot be started everywhere; none is.
            .env("BUILDAH_ISOLATION", "chroot")
            .output()
            .unwrap_or_else(|e| panic!("these tests need `{program}` on PATH: {e}"));
        let Output { status, stdout, stderr } = output;
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "`{program} {}`: {stderr}", arguments.join(" "));
        stdout
    }

    #[track_caller]
    fn skopeo_copy(&self, flags: &[&str], from: &str, to: &str) {
        let copy = ["--insecure-policy", "copy", "--quiet"];
        self.run("skopeo", &[&copy[..], flags, &[from, to]].concat());
    }

    /// Runs buildah with images of this folder alone.
    #[track_caller]
    fn buildah(&self, arguments: &[&str]) -> String {
        let stdout = self.run("buildah", &[&IMAGES[..], arguments].concat());
        String::from_utf8(stdout).unwrap().trim().to_owned()
    }

    /// Runs podman with the same images.
    #[track_caller]
    fn podman(&self, arguments: &[&str]) {
        let own = ["--tmpdir", "podman", "--events-backend", "none"];
        let arguments = [&IMAGES[..], &own, arguments].concat();
        if rustix::process::geteuid().is_root() {
            self.run("podman", &arguments);
        } else {
            // By itself it would leave a process behind that keeps its user namespace.
            self.run("buildah", &[&["unshare", "podman"][..], &arguments].concat());
        }
    }

    /// Lets buildah commit `greeter:1`, which has one layer, and `greeter:2`, which has two.
    fn commit_two(&self) {
        self.world.file("greeting", "hello");
        let mut base = "scratch";
        for image in ["greeter:1", "greeter:2"] {
            let container = self.buildah(&["from", base]);
            self.buildah(&["copy", &container, "greeting", &format!("/{image}")]);
            self.buildah(&["config", "--cmd", image, &container]);
            self.buildah(&["commit", "--quiet", &container, image]);
            base = image;
        }
    }

    fn push(&self, file: &str, flags: &[&str]) -> Outcome {
        let path = self.world.work().join(file);
        let to = format!("{}/greeter", self.registry.address());
        // What the registry has would not be read otherwise.
        let push = ["push", path.to_str().unwrap(), "--to", &to, "--json", "--no-reuse"];
        self.world.run(&[&push[..], flags].concat())
    }

    /// Returns how skopeo reads an image of a file, such as `oci-archive` and `image.tar:name`.
    fn written(&self, transport: &str, file: &str) -> ReadBack {
        skopeo::read_written(&format!("{transport}:{}/{file}", self.world.work().display()))
    }

    /// Pushes `file` and compares what is in the registry with `expected`.
    #[track_caller]
    fn comes_back(&self, file: &str, flags: &[&str], kind: &str, expected: &ReadBack) -> ReadBack {
        let pushed = self.push(file, flags).ok();
        assert_eq!(pushed.events_named("image_opened")[0]["kind"], kind, "{file}");
        let pushed = pushed.events_named("pushed").remove(0);
        assert_eq!(pushed["sent"], pushed["layers"], "{file}");
        let image = skopeo::read(pushed["reference"].as_str().unwrap(), None);
        assert_eq!(image.diff_ids(), expected.diff_ids(), "{file}");
        assert_eq!(image.config_digest(), expected.config_digest(), "{file}");
        // Layers that are compressed already are sent as they are.
        let digests_are_kept = image.layer_digests() == expected.layer_digests();
        assert_eq!(digests_are_kept, expected.layers_are_of_their_types(), "{file}");
        image
    }

    /// Checks that a file of two images is refused as long as it is not said which is meant.
    #[track_caller]
    fn asks_which(&self, file: &str, names: &str) {
        let (code, message) = refusal(&self.push(file, &[]));
        assert_eq!(code, "source.several-images", "{message}");
        assert!(message.contains(&format!("holds 2 images: {names}\n")), "{message}");
        assert!(message.ends_with("hint: say which one by `--image-name`"), "{message}");
    }
}

/// Returns the code word and the text of the error that an image was refused with.
#[track_caller]
fn refusal(refused: &Outcome) -> (String, String) {
    assert_eq!(refused.code, Some(12), "{refused}");
    refused.error()
}

#[test]
fn what_skopeo_writes_comes_back() {
    let shop = Workshop::new();
    let archive = Archive::new("hello");
    let source = format!("docker-archive:{}", archive.write(&shop.world, Kind::Plain).display());
    for (transport, file, kind) in [
        ("docker-archive", "docker.tar", "docker archive (uncompressed)"),
        ("oci-archive", "oci.tar", "OCI archive (uncompressed)"),
        ("oci", "layout", "OCI layout"),
    ] {
        shop.skopeo_copy(&[], &source, &format!("{transport}:{file}"));
        let expected = shop.written(transport, file);
        assert_eq!(expected.diff_ids(), archive.diff_ids(), "{file}");
        shop.comes_back(file, &[], kind, &expected);
    }
}

#[test]
fn what_skopeo_writes_comes_back_however_the_file_is_compressed() {
    let shop = Workshop::new();
    let archive = Archive::small("hello").write(&shop.world, Kind::Plain);
    let source = format!("docker-archive:{}", archive.display());
    for (transport, file) in [("docker-archive", "docker.tar"), ("oci-archive", "oci.tar")] {
        shop.skopeo_copy(&[], &source, &format!("{transport}:{file}"));
        let expected = shop.written(transport, file);
        for compressor in ["gzip", "zstd", "xz"] {
            let compressed = shop.run(compressor, &["-c", file]);
            let name = format!("{file}.{compressor}");
            shop.world.file(&name, compressed);
            shop.comes_back(&name, &[], &format!("archive ({compressor})"), &expected);
        }
    }
}

#[test]
fn layouts_come_back_however_skopeo_compresses_and_describes_the_layers() {
    let shop = Workshop::new();
    let archive = Archive::small("hello");
    let source = format!("docker-archive:{}", archive.write(&shop.world, Kind::Plain).display());
    for (file, flags, layer_type, is_true) in [
        ("zstd", &["--dest-compress-format", "zstd"][..], OCI_ZSTD, true),
        ("docker", &["--format", "v2s2"], DOCKER_GZIP, true),
        // They are called gzip, and are none.
        ("plain", &["--dest-oci-accept-uncompressed-layers"], OCI_GZIP, false),
    ] {
        shop.skopeo_copy(flags, &source, &format!("oci:{file}"));
        let expected = shop.written("oci", file);
        assert_eq!(expected.layer_types(), [layer_type; 2], "{file}");
        assert_eq!(expected.layers_are_of_their_types(), is_true, "{file}");
        assert_eq!(expected.diff_ids(), archive.diff_ids(), "{file}");
        shop.comes_back(file, &[], "OCI layout", &expected);
    }
}

#[test]
fn a_folder_that_skopeo_wrote_for_itself_is_refused_by_its_name() {
    let shop = Workshop::new();
    let archive = Archive::small("hello").write(&shop.world, Kind::Plain);
    shop.skopeo_copy(&[], &format!("docker-archive:{}", archive.display()), "dir:folder");
    let (code, message) = refusal(&shop.push("folder", &[]));
    assert_eq!(code, "source.unsupported", "{message}");
    for words in ["is a `dir:` folder of skopeo", "hint: `skopeo copy` turns it into"] {
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn of_a_layout_with_two_images_the_named_one_comes_back() {
    let shop = Workshop::new();
    for name in ["one", "two"] {
        let archive = Archive::small(name).write(&shop.world, Kind::Plain);
        shop.skopeo_copy(
            &[],
            &format!("docker-archive:{}", archive.display()),
            &format!("oci:both:{name}"),
        );
    }
    shop.asks_which("both", "one, two");
    let [one, two] = ["one", "two"].map(|name| {
        let expected = shop.written("oci", &format!("both:{name}"));
        shop.comes_back("both", &["--image-name", name], "OCI layout", &expected)
    });
    assert_ne!(one.diff_ids(), two.diff_ids());
    let (code, message) = refusal(&shop.push("both", &["--image-name", "three"]));
    assert_eq!(code, "source.no-such-image", "{message}");
    assert!(message.contains("no image called `three`; it has one, two"), "{message}");
}

#[test]
fn what_buildah_pushes_into_files_comes_back() {
    let shop = Workshop::new();
    shop.commit_two();
    for (transport, file, kind) in [
        ("docker-archive", "docker.tar", "docker archive (uncompressed)"),
        ("oci-archive", "oci.tar", "OCI archive (uncompressed)"),
        ("oci", "layout", "OCI layout"),
    ] {
        let to = format!("{transport}:{file}:greeter:2");
        shop.buildah(&["push", "--quiet", "greeter:2", &to]);
        let expected = shop.written(transport, file);
        assert_eq!(expected.diff_ids().len(), 2, "{file}");
        shop.comes_back(file, &[], kind, &expected);
    }
}

#[test]
fn what_podman_saves_comes_back() {
    let shop = Workshop::new();
    shop.commit_two();
    for (format, transport, kind) in [
        ("docker-archive", "docker-archive", "docker archive (uncompressed)"),
        ("oci-archive", "oci-archive", "OCI archive (uncompressed)"),
        ("oci-dir", "oci", "OCI layout"),
    ] {
        let save = ["save", "--quiet", "--format", format, "--output", format, "greeter:2"];
        shop.podman(&save);
        let expected = shop.written(transport, format);
        assert_eq!(expected.diff_ids().len(), 2, "{format}");
        shop.comes_back(format, &[], kind, &expected);
    }
}

#[test]
fn of_an_archive_with_two_images_that_podman_saved_the_named_one_comes_back() {
    let shop = Workshop::new();
    shop.commit_two();
    let save = ["save", "--quiet", "--multi-image-archive", "--output", "both.tar"];
    shop.podman(&[&save[..], &["greeter:1", "greeter:2"]].concat());
    shop.world.file("both.tar.gz", shop.run("gzip", &["-c", "both.tar"]));
    for (file, kind) in
        [("both.tar", "docker archive (uncompressed)"), ("both.tar.gz", "archive (gzip)")]
    {
        shop.asks_which(file, "localhost/greeter:1, localhost/greeter:2");
        let [first, second] = ["greeter:1", "greeter:2"].map(|name| {
            let expected = shop.written("docker-archive", &format!("both.tar:localhost/{name}"));
            shop.comes_back(file, &["--image-name", name], kind, &expected)
        });
        assert_eq!((first.diff_ids().len(), second.diff_ids().len()), (1, 2));
    }
}

#[test]
fn what_umoci_makes_of_files_comes_back() {
    let shop = Workshop::new();
    shop.world.file("greeting", "hello");
    shop.run("umoci", &["init", "--layout", "layout"]);
    shop.run("umoci", &["new", "--image", "layout:bare"]);
    let expected = shop.written("oci", "layout:bare");
    assert_eq!(expected.diff_ids(), []);
    shop.comes_back("layout", &[], "OCI layout", &expected);

    shop.run("umoci", &["new", "--image", "layout:greeter"]);
    for file in ["/etc/greeting", "/etc/other"] {
        let insert = ["insert", "--rootless", "--image", "layout:greeter", "greeting", file];
        shop.run("umoci", &insert);
    }
    shop.asks_which("layout", "bare, greeter");
    let expected = shop.written("oci", "layout:greeter");
    assert_eq!(expected.diff_ids().len(), 2);
    shop.comes_back("layout", &["--image-name", "greeter"], "OCI layout", &expected);
}
