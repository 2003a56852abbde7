//! What comes before and after every strategy: the app, the image, the release.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Flyctl, NONCE};
use super::types::{Build, Image, Machine, Release, Volume};

/// The query by which flyctl resolves an image.
const IMAGE: &str = "query ($appName: String!, $imageRef: String!) {
    app(name: $appName) {
        id
        image(ref: $imageRef) { id digest ref compressedSize: compressedSizeFull manifest }
    }
}";

const EGRESS: &str = "query ($appName: String!) {
    app(name: $appName) {
        egressIpAddresses { nodes { id ip version region updatedAt } }
    }
}";

/// A deploy that has begun: what is deployed, and as which release.
pub(super) struct Deploy<'a> {
    pub(super) flyctl: &'a Flyctl,
    pub(super) image: String,
    pub(super) release: Release,
}

impl<'a> Deploy<'a> {
    /// Looks at the app, resolves the image and records the release, up to `running`.
    pub(super) async fn begin(flyctl: &'a Flyctl, reference: &str, strategy: &str) -> Self {
        let app = flyctl.app().await;
        assert_eq!((app.name.as_str(), app.role.as_str()), ("web", ""));
        let slug = app.organization.slug;
        let path = format!("/api/v1/organizations/{slug}");
        let organization: Value = flyctl.get(&path).await.unwrap();
        assert_eq!(organization["organization"]["slug"], json!(slug));
        assert!(organization["organization"]["internal_numeric_id"].is_u64());

        let strategies = ["Local Image Reference", "Remote Image Reference"];
        let begin = json!({"app_name": "web", "builder_type": "remote",
                           "strategies_available": strategies});
        let build: Build = flyctl.ask(Method::POST, "/api/v1/builds", Some(&begin)).await.unwrap();
        let image = flyctl.resolve(reference).await.expect("the image is known");
        assert!(image.id.starts_with("img_") && image.digest.starts_with("sha256:"));
        image.compressed_size.parse::<i64>().expect("a decimal text");
        let finish = json!({
            "build_id": build.id, "app_name": "web", "machine_id": "", "status": "completed",
            "strategies_attempted": [{"strategy": strategies[1], "result": "success",
                                      "error": "", "note": ""}],
            "builder_meta": {"builder_type": "remote", "buildkit_enabled": false,
                "docker_version": "", "platform": "", "remote_app_name": "", "remote_machine_id": ""},
            "final_image": {"id": image.id, "tag": image.reference, "size_bytes": 2},
            "timings": {"build_and_push_ms": -1, "build_ms": -1, "builder_init_ms": 1,
                "context_build_ms": -1, "image_build_ms": -1, "push_ms": -1},
            "logs": "",
        });
        let finished: Build =
            flyctl.ask(Method::POST, "/api/v1/builds/finish", Some(&finish)).await.unwrap();
        assert_eq!(finished.id, build.id);
        Self::record(flyctl, image.reference, strategy, build.id).await
    }

    async fn record(flyctl: &'a Flyctl, image: String, strategy: &str, build: i64) -> Self {
        let create = json!({
            "app_name": "web", "build_id": build, "image": image, "strategy": strategy,
            "definition": {"app": "web", "primary_region": "fra", "env": {"A": "1"}},
        });
        let created: Value =
            flyctl.ask(Method::POST, "/api/v1/releases", Some(&create)).await.unwrap();
        let release: Release = serde_json::from_value(created["release"].clone()).unwrap();
        assert_eq!((release.strategy.as_str(), &release.image_ref), (strategy, &image));
        assert!(release.version > 0 && !release.user.is_empty());
        humantime::parse_rfc3339(&release.created_at).expect("created_at is a time");
        let egress = flyctl.query(EGRESS, json!({"appName": "web"})).await.unwrap();
        assert_eq!(egress["app"]["egressIpAddresses"]["nodes"], json!([]));
        let deploy = Self { flyctl, image, release };
        deploy.patch("running", Value::Null).await;
        deploy
    }

    /// Says how the release fares; the answer is the release itself.
    async fn patch(&self, status: &str, metadata: Value) {
        let path = format!("/api/v1/releases/{}", self.release.id);
        let body = json!({"status": status, "metadata": metadata});
        let told: Release = self.flyctl.ask(Method::PATCH, &path, Some(&body)).await.unwrap();
        assert_eq!((told.id, told.status), (self.release.id.clone(), status.to_owned()));
    }

    /// Says how the release ended.
    pub(super) async fn end(&self, status: &str, error: &str) {
        let info = json!({"FlyctlVersion": "0.4.85", "Error": error});
        self.patch(status, json!({"PostDeploymentInfo": info})).await;
    }

    /// Makes what a machine of the release is launched or updated with.
    pub(super) fn input(&self, config: impl Fn(&str) -> Value) -> Value {
        let config = super::released(config(&self.image), &self.release.id, self.release.version);
        json!({"config": config, "region": "fra", "skip_secrets": false})
    }

    /// Launches a machine as for a new group: leased, watched, let go.
    pub(super) async fn spawn(&self, config: impl Fn(&str) -> Value) -> Machine {
        let mut input = self.input(config);
        input["lease_ttl"] = 300.into();
        let machine = self.flyctl.launch(&input).await.unwrap();
        let nonce = machine.nonce.clone().expect("a lease comes with the machine");
        self.flyctl.smoke(&machine.id).await.unwrap();
        self.flyctl.wait_for(&machine.id, "started").await.unwrap();
        let checked = input["config"]["services"].is_array();
        if checked {
            self.flyctl.health(&machine.id, super::client::WAIT).await.unwrap();
        }
        self.flyctl.release(&machine.id, &nonce).await.unwrap();
        machine
    }
}

impl Flyctl {
    /// Resolves an image; nothing if it is not known.
    pub(super) async fn resolve(&self, reference: &str) -> Option<Image> {
        let variables = json!({"appName": "web", "imageRef": reference});
        let data = self.query(IMAGE, variables).await.unwrap();
        let image = &data["app"]["image"];
        (!image.is_null()).then(|| serde_json::from_value(image.clone()).unwrap())
    }

    /// Returns the machines that a deploy cares for, in the order of their IDs.
    pub(super) async fn managed(&self) -> Vec<Machine> {
        let mut machines = self.machines().await;
        machines.retain(Machine::is_managed);
        machines.sort_by(|a, b| a.id.cmp(&b.id));
        machines
    }

    /// Returns the volumes that are free, as a deploy counts them.
    pub(super) async fn free_volumes(&self) -> Vec<Volume> {
        let mut volumes: Vec<Volume> = self.get("/v1/apps/web/volumes").await.unwrap();
        volumes.retain(|volume| {
            volume.attached_machine_id.is_none()
                && volume.attached_alloc_id.is_none()
                && volume.host_status == "ok"
        });
        volumes
    }

    /// Updates a machine to a release and watches it, as every strategy with waits does.
    pub(super) async fn update_and_watch(
        &self,
        deploy: &Deploy<'_>,
        machine: &Machine,
        nonce: &str,
        config: impl Fn(&str) -> Value,
    ) -> Result<(), String> {
        let mut input = deploy.input(config);
        let skip = !matches!(machine.state.as_str(), "started" | "starting" | "failed");
        if skip {
            input["skip_launch"] = true.into();
        }
        let updated = self
            .update(&machine.id, nonce, &input)
            .await
            .map_err(|(status, text)| format!("{status}: {text}"))?;
        assert_eq!(updated.id, machine.id);
        assert_ne!(updated.instance_id, machine.instance_id, "an update is a new version");
        assert!(matches!(updated.state.as_str(), "replacing" | "updating"), "{}", updated.state);
        if skip {
            return Ok(());
        }
        self.wait_for(&machine.id, "started").await.map_err(|refused| format!("{refused:?}"))?;
        self.smoke(&machine.id).await?;
        if input["config"]["services"].is_array() {
            self.health(&machine.id, super::client::WAIT).await?;
            let listening = self.sockets(&machine.id).await;
            assert!(listening.iter().any(|address| address.ends_with(":8080")), "{listening:?}");
        }
        Ok(())
    }

    /// Leases machines, and proves that nobody else can have them now.
    pub(super) async fn lease_all(&self, machines: &[Machine]) -> Vec<String> {
        let mut nonces = Vec::new();
        for machine in machines {
            let nonce = self.lease(&machine.id).await.unwrap();
            let (status, text) = self.lease(&machine.id).await.unwrap_err();
            assert_eq!(status, 409);
            assert!(text.contains("lease currently held by"), "{text}");
            let path = super::client::machine_path(&machine.id, "/lease");
            let other = self.request(Method::DELETE, &path).header(NONCE, "another");
            assert_eq!(self.send(other).await.unwrap_err().0, 409);
            nonces.push(nonce);
        }
        nonces
    }
}
